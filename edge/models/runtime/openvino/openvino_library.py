"""OpenVINO, where it is installed, without the statistics that its import would send."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from typing import Any

_STATISTICS = "openvino_telemetry"


class OpenVinoError(Exception):
    """OpenVINO can't be used, or can't run a network; the message has the reason."""


@cache
def openvino() -> Any:
    """The package `openvino`; OpenVinoError where it can't be imported.

    Importing it reports that to its makers by the package `openvino_telemetry`; without that
    package it does not. This server sends nothing to anyone, so the package is hidden from it.
    """
    sys.modules[_STATISTICS] = None  # type: ignore[assignment]  # so that importing it fails
    try:
        import openvino as library  # noqa: PLC0415
    except (ImportError, OSError, RuntimeError) as error:
        raise OpenVinoError(f"openvino can't be imported: {error}") from error
    return library


def is_installed() -> bool:
    """Whether the package is there; it is not imported."""
    return importlib.util.find_spec("openvino") is not None
