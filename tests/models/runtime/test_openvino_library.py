"""OpenVINO is used where it is, and its statistics never."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.models.runtime.openvino.openvino_library import OpenVinoError, is_installed, openvino


@pytest.mark.skipif(not is_installed(), reason="no openvino")
def test_its_statistics_are_not_loaded() -> None:
    """In a process of its own, since an import happens once."""
    script = """
import sys, torch
from edge.models.runtime.conversion import convert
from edge.models.runtime.openvino.openvino_network import compile_network
import numpy as np
convert(torch.nn.Conv2d(3, 4, 3))
assert not any(sys.modules[name] for name in sys.modules if "openvino_telemetry" in name)
try:
    import openvino_telemetry
except ImportError:
    sys.exit(0)
sys.exit("it can be imported")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_where_it_is_not_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(OpenVinoError, match="can't be imported"):
        openvino.__wrapped__()
