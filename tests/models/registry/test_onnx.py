"""Detectors in ONNX: told apart by their shapes, and their boxes lie where the bright thing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.config import Settings
from edge.ipc.picture import Picture
from edge.models.cfg.model_error import ModelError
from edge.models.registry.decoded_detector import DecodedDetector
from edge.models.registry.model import Model
from edge.models.registry.model_check import check_model
from edge.models.registry.onnx_file import read_onnx
from edge.models.registry.opening import open_decoded
from edge.models.registry.output_layouts import Layout
from edge.profile.model_settings import ModelSettings
from edge.profile.variant import Variant
from edge.startup import StartError, load_models

from .onnx_export import BrightCells, Classifier, RawMaps, export

LAYOUTS = [str(layout) for layout in Layout if layout != Layout.TORCHVISION]


def bright_at(x: int, y: int, width: int = 640, height: int = 360) -> Picture:
    """A dark picture with a bright square about that place."""
    rgb = np.zeros((height, width, 3), dtype=np.uint8)
    rgb[y - 24 : y + 24, x - 24 : x + 24] = 255
    return Picture.from_rgb(rgb)


def detector(path: Path, classes: int, layout: str | None = None) -> DecodedDetector:
    names = tuple(f"class {number}" for number in range(classes))
    return open_decoded(Model("mine", "mine", names, (320,), onnx=path, layout=layout))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_told_by_its_shapes(layout: str, tmp_path: Path) -> None:
    found = read_onnx(export(tmp_path / "a.onnx", BrightCells(layout, 3))).head
    assert found.layout == layout
    assert found.classes in (3, None)
    assert (found.classes is None) == (layout in ("end2end", "yolov7-nms", "rtdetr-labels"))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [(640, 360), (360, 640)])
def test_boxes_lie_where_they_belong_in_pictures_of_any_shape(
    layout: str, size: tuple[int, int], tmp_path: Path
) -> None:
    width, height = size
    mine = detector(export(tmp_path / "a.onnx", BrightCells(layout, 3)), 3)
    pictures = [bright_at(100, 200, *size), bright_at(width - 100, 120, *size)]
    if layout == "yolov7-nms":
        pictures = pictures[:1]  # the exported graph of this test knows one picture
    found = mine.detect(pictures, Variant("mine", 320), score_threshold=0.6)
    for boxes, (x, y) in zip(found, [(100, 200), (width - 100, 120)], strict=False):
        assert boxes
        for label, score, x1, y1, x2, y2 in boxes:
            assert label == 2
            assert 0.6 <= score <= 1.0
            assert abs((x1 + x2) / 2 * width - x) < 60
            assert abs((y1 + y2) / 2 * height - y) < 60


def test_overlapping_boxes_are_suppressed_where_the_graph_does_not(tmp_path: Path) -> None:
    mine = detector(export(tmp_path / "a.onnx", BrightCells("yolov8", 2)), 2)
    picture, variant = bright_at(320, 180), Variant("mine", 320)
    [loose] = mine.detect([picture], variant, score_threshold=0.5, nms_iou=1.0)
    [strict] = mine.detect([picture], variant, score_threshold=0.5, nms_iou=0.2)
    assert len(strict) < len(loose)


def test_a_graph_with_fixed_sides_takes_pictures_one_at_a_time_in_its_square(
    tmp_path: Path,
) -> None:
    path = export(tmp_path / "a.onnx", BrightCells("yolov8", 2), side=320, dynamic=False)
    file = read_onnx(path)
    assert (file.takes.fixed_size, file.takes.is_batch_fixed) == ((320, 320), True)
    pictures = [bright_at(100, 200), bright_at(500, 120)]
    found = detector(path, 2).detect(pictures, Variant("mine", 320), score_threshold=0.6)
    for boxes, (x, y) in zip(found, [(100, 200), (500, 120)], strict=True):
        _, _, x1, y1, x2, y2 = boxes[0]
        assert abs((x1 + x2) / 2 * 640 - x) < 60
        assert abs((y1 + y2) / 2 * 360 - y) < 60


def test_six_columns_of_a_two_class_rtdetr_need_its_layout_named(tmp_path: Path) -> None:
    path = export(tmp_path / "a.onnx", BrightCells("rtdetr", 2))
    assert read_onnx(path).head.layout == "end2end"
    named = read_onnx(path, "rtdetr").head
    assert (named.layout, named.classes) == ("rtdetr", 2)
    other = export(tmp_path / "b.onnx", BrightCells("rtdetr", 1))
    with pytest.raises(ModelError, match="layout = yolov5, but its output is"):
        read_onnx(other, "yolov5")


@pytest.mark.parametrize(
    ("module", "message"),
    [(Classifier(), "classifier"), (RawMaps(), "decoding of boxes in the graph")],
)
def test_what_is_no_detector_is_named(module: object, message: str, tmp_path: Path) -> None:
    path = export(tmp_path / "a.onnx", module)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match=message):
        read_onnx(path)


def test_a_file_may_name_its_classes_itself(tmp_path: Path) -> None:
    path = export(tmp_path / "a.onnx", BrightCells("yolov8", 2), class_names="{1: 'b', 0: 'a'}")
    assert check_model(ModelSettings(name="mine", onnx=path), [320]).class_names == ("a", "b")
    other = tmp_path / "other.names"
    other.write_text("one\ntwo\n")
    settings = ModelSettings(name="mine", onnx=path, names=other)
    assert check_model(settings, [320]).class_names == ("one", "two")


def by_onnx_runtime(path: Path, *providers: str) -> DecodedDetector:
    names = ("a", "b", "c")
    return open_decoded(Model("mine", "mine", names, (320,), onnx=path, providers=providers))


@pytest.mark.parametrize("layout", ["yolov8", "rtdetr-labels"])
def test_onnx_runtime_finds_the_same_boxes(layout: str, tmp_path: Path) -> None:
    path = export(tmp_path / "a.onnx", BrightCells(layout, 3))
    theirs = by_onnx_runtime(path, "CPUExecutionProvider")
    assert theirs.runtime == "onnxruntime"
    pictures, variant = [bright_at(100, 200), bright_at(500, 120)], Variant("mine", 320)
    expected = detector(path, 3).detect(pictures, variant, score_threshold=0.6)
    found = theirs.detect(pictures, variant, score_threshold=0.6)
    assert [len(boxes) for boxes in found] == [len(boxes) for boxes in expected]
    for ours, openvinos in zip(found, expected, strict=True):  # many scores are equal
        np.testing.assert_allclose(sorted(ours), sorted(openvinos), atol=1e-4)


def test_a_provider_that_is_not_installed_is_named(tmp_path: Path) -> None:
    path = export(tmp_path / "a.onnx", BrightCells("yolov8", 3))
    with pytest.raises(ModelError, match="NpuExecutionProvider is not among those of the inst"):
        by_onnx_runtime(path, "NpuExecutionProvider")
    settings = ModelSettings(name="mine", onnx=path, providers=["NpuExecutionProvider"])
    (tmp_path / "a.names").write_text("a\nb\nc\n")
    with pytest.raises(ModelError, match="a.onnx: the execution provider NpuExecutionProvider"):
        check_model(settings.model_copy(update={"names": tmp_path / "a.names"}), [320])


def test_a_gpu_needs_the_provider_of_cuda(tmp_path: Path) -> None:
    path = export(tmp_path / "a.onnx", BrightCells("yolov8", 3))
    (tmp_path / "a.names").write_text("a\nb\nc\n")
    model = ModelSettings(name="mine", onnx=path, names=tmp_path / "a.names")
    with pytest.raises(StartError, match="cuda:0: .*CUDAExecutionProvider"):
        load_models(Settings(device=["cuda:0"], models=[model]), lambda _text: None)
