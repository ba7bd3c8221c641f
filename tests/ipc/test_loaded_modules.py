"""A process loads only what it uses: its start costs processor time and memory in every server."""

from __future__ import annotations

import subprocess
import sys

import pytest

_RUNTIMES = {"torch", "openvino", "onnx", "onnxruntime", "numba"}


def _printed(code: str) -> str:
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return run.stdout


@pytest.mark.parametrize(
    ("program", "unused"),
    [
        pytest.param("edge.server", _RUNTIMES | {"rich", "cv2", "playwright"}, id="server"),
        pytest.param(
            "edge.ingest.__main__", _RUNTIMES | {"rich", "cv2", "aiohttp", "jinja2"}, id="ingest"
        ),
        pytest.param(
            "edge.workers.__main__",
            _RUNTIMES | {"rich", "cv2", "av", "aiortc", "aiohttp", "edge.models.runtime"},
            id="worker of a simulated device",
        ),
    ],
)
def test_what_a_process_does_not_use_is_not_loaded(program: str, unused: set[str]) -> None:
    loaded = set(_printed(f"import sys, {program}; print(*sys.modules)").split())
    assert program in loaded
    assert loaded & unused == set()


def test_rich_can_be_loaded_after_the_logs_have_been_without_it() -> None:
    code = "from edge.base import event_log; from rich.console import Console; print('done')"
    assert _printed(code) == "done\n"
