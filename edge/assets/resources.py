"""Files that belong to the server and are not code: the pages, the commented settings, profiles."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(name: Literal["web", "edge.toml", "profiles"]) -> Path:
    """The file or folder: in a checkout beside the package `edge`, installed within it.

    `profiles` is a package of its own, and beside `edge` either way.
    """
    installed = _PACKAGE / "resources" / name
    return installed if installed.exists() else _PACKAGE.parent / name
