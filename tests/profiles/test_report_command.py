"""`python -m profiles report`, whole, on this machine's processor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.profile.host import file_stem, processor_name
from profiles.__main__ import main

FEW = ["--variants", "yolov4-tiny-128", "--batches", "1", "--quick", "--no-tests"]


@pytest.mark.weights
def test_a_page_and_its_figures(tmp_path: Path) -> None:
    assert main(["report", *FEW, "--out", str(tmp_path)]) == 0
    page = tmp_path / f"{file_stem(processor_name())}.md"
    assert page.read_text().startswith(f"# {processor_name()}\n")
    figures = json.loads(page.with_suffix(".json").read_text())
    [entry] = figures["latency"]
    assert (entry["variant"], entry["batch"]) == ("yolov4-tiny-128", 1)
    assert figures["memory"]["process_bytes"] > 50_000_000
    assert figures["memory"]["device_bytes"] is None
    assert {row["codec"] for row in figures["decoding"]} == {"vp8", "h264", "vp9", "av1"}
    assert figures["tests"] is None


def test_another_networks_variant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--variants", "yolov4-416"]) == 2
    assert "yolov4-416 is not a variant of yolov4-tiny" in capsys.readouterr().err
