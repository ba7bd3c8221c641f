"""Annotations in COCO's format."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from profiles.accuracy.coco import CLASS_OF_ID, AnnotationError, Photographs, read


@pytest.fixture
def annotated(tmp_path: Path) -> dict[str, Any]:
    """Two photographs, of which only one lies in the folder."""
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((60, 100, 3), 200, np.uint8))
    return {
        "images": [
            {"id": 7, "file_name": "a.jpg", "width": 100, "height": 60},
            {"id": 3, "file_name": "gone.jpg", "width": 100, "height": 60},
        ],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [10, 6, 50, 30], "iscrowd": 0},
            {"image_id": 7, "category_id": 90, "bbox": [0, 0, 10, 6]},
            {"image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 60], "iscrowd": 1},
        ],
    }


def write(path: Path, data: object) -> Path:
    path.write_text(json.dumps(data))
    return path


def test_boxes_come_as_fractions_with_our_classes(
    tmp_path: Path, annotated: dict[str, Any]
) -> None:
    found = read(write(tmp_path / "instances.json", annotated), tmp_path)
    assert found.paths == [tmp_path / "a.jpg"]
    ((person, brush),) = found.truth
    assert person == pytest.approx((0, 1.0, 0.1, 0.1, 0.6, 0.6))
    assert brush == pytest.approx((79, 1.0, 0.0, 0.0, 0.1, 0.1))
    assert found.about == "1 photographs of instances.json with 2 boxes"


def test_there_are_eighty_classes() -> None:
    assert sorted(CLASS_OF_ID.values()) == list(range(80))
    assert (CLASS_OF_ID[13], CLASS_OF_ID[67]) == (11, 60)  # stop sign, dining table


def test_photographs_are_read_when_they_are_asked_for(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((60, 100, 3), 200, np.uint8))
    photographs = Photographs([tmp_path / "a.jpg", tmp_path / "gone.jpg"])
    assert len(photographs) == 2
    assert (photographs[0].width, photographs[0].height) == (100, 60)
    with pytest.raises(AnnotationError, match="gone.jpg"):
        photographs[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": 3}, "images: must be a list"),
        ({"annotations": None}, "annotations: must be a list"),
        ({"images": [{"id": 7}]}, r"images\[0\].*file_name"),
        ({"images": [{"id": 7, "file_name": "a", "width": 0, "height": 1}]}, r"images\[0\].*width"),
        ({"annotations": [{"image_id": 7}]}, r"annotations\[0\].*category_id"),
        (
            {"annotations": [{"image_id": 9, "category_id": 1, "bbox": [1, 1, 1, 1]}]},
            r"annotations\[0\].*9",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 12, "bbox": [1, 1, 1, 1]}]},
            r"annotations\[0\].*12",
        ),
        (
            {"annotations": [{"image_id": 7, "category_id": 1, "bbox": [1, 1]}]},
            r"annotations\[0\]",
        ),
        ({"images": [], "annotations": []}, "none of the photographs"),
    ],
)
def test_a_bad_file_is_refused_by_its_field(
    tmp_path: Path, annotated: dict[str, Any], change: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "instances.json", {**annotated, **change})
    with pytest.raises(AnnotationError, match=message):
        read(path, tmp_path)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_what_is_no_object_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "instances.json"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=r"instances.json: (not JSON|must be)"):
        read(path, tmp_path)
