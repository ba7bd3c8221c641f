"""A network is prepared once, by a process of its own; whatever goes wrong, one is served."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edge.models import darknet
from edge.models.runtime import prepared_network as module
from edge.models.runtime.opening import open_detector
from edge.models.runtime.openvino.openvino_detector import OpenVinoDetector
from edge.models.runtime.openvino.openvino_library import OpenVinoError, is_installed
from edge.models.runtime.prepared_network import DESCRIPTION, load, prepared_network, save
from edge.models.runtime.runtime_choice import RuntimeChoice
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.yolov4 import Network, YoloV4

needs_openvino = pytest.mark.skipif(not is_installed(), reason="no openvino")


@pytest.fixture
def weights(tmp_path: Path, random_tiny: Network, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weight file, and folders of this test's own."""
    monkeypatch.setenv("EDGE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EDGE_DATA", str(tmp_path / "data"))
    path = tmp_path / "random.weights"
    darknet.save(path, random_tiny)
    return path


@needs_openvino
def test_it_is_prepared_once_for_each_weight_file(
    weights: Path, random_tiny: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    first = prepared_network("yolov4-tiny", weights, said.append)
    assert said == ["preparing yolov4-tiny for OpenVINO, once"]
    assert first.heads == random_tiny.heads
    assert {"openvino", "torch"} == {each.runtime for each in first.times_ms}
    assert all(ms > 0 for ms in first.times_ms.values())

    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", "raise SystemExit('not again')"))
    assert prepared_network("yolov4-tiny", weights, said.append) == first
    assert len(said) == 1
    weights.write_bytes(weights.read_bytes()[:-4] + b"0000")  # other numbers
    with pytest.raises(OpenVinoError, match="not again"):
        prepared_network("yolov4-tiny", weights, said.append)

    (first.model.parent / DESCRIPTION).write_text("{")  # damaged: as if it were not there
    darknet.save(weights, random_tiny)
    with pytest.raises(OpenVinoError, match="not again"):
        prepared_network("yolov4-tiny", weights, said.append)
    assert not first.model.exists()


@needs_openvino
def test_a_cache_that_cannot_be_written_is_passed_over(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("no folder")
    found = prepared_network("yolov4-tiny", weights)
    assert found.model.is_relative_to(tmp_path / "data" / "cache")
    detector = open_detector(
        "yolov4-tiny", weights=weights, runtime="openvino", precision="float32"
    )
    assert isinstance(detector, OpenVinoDetector)
    assert detector.precision == "float32"


@pytest.mark.parametrize("case", ["not installed", "fails", "hangs", "ends silently"])
def test_pytorch_serves_what_openvino_cannot(
    case: str, weights: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reasons = {
        "not installed": "not installed",
        "fails": "no such layer",
        "hangs": "more than 0.1 s",
        "ends silently": "exit status 3",
    }
    scripts = {
        "fails": "raise SystemExit('no such layer')",
        "hangs": "import time; time.sleep(60)",
        "ends silently": "raise SystemExit(3)",
    }
    monkeypatch.setattr(module, "is_installed", lambda: case != "not installed")
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", scripts.get(case, "")))
    if case == "hangs":
        monkeypatch.setattr(module, "_TIMEOUT_S", 0.1)
    detector = open_detector("yolov4-tiny", weights=weights, precision="float32")
    assert isinstance(detector, TorchDetector)
    assert reasons[case] in caplog.text
    with pytest.raises(OpenVinoError, match=reasons[case]):
        open_detector("yolov4-tiny", weights=weights, runtime="openvino")


def test_what_is_written_is_read(tmp_path: Path) -> None:
    times_ms = {RuntimeChoice("openvino", "bfloat16"): 1.5, RuntimeChoice("torch", "float32"): 4.0}
    save(tmp_path, YoloV4.heads, times_ms)
    found = load(tmp_path)
    assert found.heads == YoloV4.heads
    assert found.times_ms == times_ms


def test_only_the_latest_are_kept(tmp_path: Path) -> None:
    for number in range(12):
        (tmp_path / f"yolov4-{number}").mkdir()
        (tmp_path / f"yolov4-{number}").touch()
    module._drop_oldest(tmp_path)
    assert len(list(tmp_path.iterdir())) == module._KEPT
