"""The folders outside the program: fetched files, and what belongs to this installation."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_dir() -> Path:
    """The folder of fetched files: `$EDGE_CACHE`, or the user's cache directory."""
    configured = os.environ.get("EDGE_CACHE")
    return Path(configured) if configured else platformdirs.user_cache_path("edge-video")


def data_dir() -> Path:
    """The folder of what the server keeps: `$EDGE_DATA`, or the user's data directory."""
    configured = os.environ.get("EDGE_DATA")
    return Path(configured) if configured else platformdirs.user_data_path("edge-video")
