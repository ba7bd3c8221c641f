"""`python -m profiles accuracy`, whole, with the real network."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from edge.assets import samples
from edge.profile.accuracy_file import load_accuracy_profile
from profiles.__main__ import main

pytestmark = pytest.mark.weights


def test_a_street_from_file_to_file(tmp_path: Path) -> None:
    out = tmp_path / "accuracy.json"
    arguments = ["accuracy", "--quick", "--out", str(out), "--frames", "3", "--seconds", "2"]
    arguments += ["--video", str(samples.street_video()), "--sent", "416", "--inputs", "128"]
    assert main([*arguments, "--codec", "vp8", "--kbps", "150"]) == 0
    first = load_accuracy_profile(out)
    assert first.reference.startswith("yolov4")
    assert list(first.clips) == ["bikes"]
    arguments += ["--precision", "float32"]
    assert main([*arguments, "--codec", "vp8,h264", "--kbps", "150,600"]) == 0
    both = load_accuracy_profile(out)
    assert both.machine.endswith("cpu, float32")
    assert both.machine.startswith(first.machine)
    rows = both.rows
    assert [(row.codec, row.kbps) for row in rows] == [
        ("h264", 150.0), ("h264", 600.0), ("vp8", 150.0), ("vp8", 600.0),
    ]  # fmt: skip
    assert first.rows[0] in rows
    assert all(0.0 < row.f1[128] < 1.0 for row in rows)


def test_a_file_that_is_not_a_video_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"no video" * 100)
    assert main(["accuracy", "--out", str(tmp_path / "o.json"), "--video", str(path)]) == 1
    assert "clip.mp4: not a video" in capsys.readouterr().err


def test_annotated_photographs(tmp_path: Path) -> None:
    # Boxes by eye: the bus and the person to the left of it.
    image = cv2.imread(str(samples.photo("bus")))
    assert image is not None
    height, width = image.shape[:2]
    names = {samples.photo("bus").name: 1}
    annotations = tmp_path / "instances.json"
    annotations.write_text(
        json.dumps(
            {
                "images": [
                    {"id": number, "file_name": name, "width": width, "height": height}
                    for name, number in names.items()
                ],
                "annotations": [
                    {"image_id": 1, "category_id": 6, "bbox": [10, 230, 790, 520]},
                    {"image_id": 1, "category_id": 1, "bbox": [50, 400, 190, 500]},
                ],
            }
        )
    )
    out = tmp_path / "coco.json"
    arguments = ["accuracy", "--out", str(out), "--sent", "608", "--inputs", "416"]
    folder = str(samples.photo("bus").parent)
    assert main([*arguments, "--coco", str(annotations), folder]) == 0
    rows = load_accuracy_profile(out).rows
    assert [row.codec for row in rows] == ["jpeg90", "jpeg90-fit", "none"]
    for row in rows:
        assert row.f1[416] > 0.5
        # Both are found; two more persons are in the picture than are annotated.
        assert row.absolute[416]["ap50"] > 0.8
        assert 0.3 < row.absolute[416]["f1"] < 1.0
        assert row.absolute[416]["ap"] < row.absolute[416]["ap50"]
