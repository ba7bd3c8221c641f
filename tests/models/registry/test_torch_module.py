"""PyTorch modules by entry point: run as they are, and refused with what to change."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.cli.main import main
from edge.ipc.picture import Picture
from edge.models.cfg.model_error import ModelError
from edge.models.registry.model_check import check_model
from edge.models.registry.opening import open_decoded
from edge.models.registry.output_layouts import Layout
from edge.models.registry.torch_check import read_torch, understand
from edge.models.registry.torch_module import build, describe
from edge.profile.model_settings import ModelSettings
from edge.profile.variant import Variant

SOURCE = '''
import torch
from torch import nn


class Lamps(nn.Module):
    """Calls bright cells lamps; the others' class is `dark`."""

    def __init__(self, kind="yolov8", gain=1.0):
        super().__init__()
        self.kind, self.gain = kind, gain
        if kind != "nameless":
            self.names = {0: "dark", 1: "lamp"}

    def forward(self, images):
        found = []
        for stride in (8, 16, 32):
            grey = images.mean(dim=1, keepdim=True)
            score = nn.functional.avg_pool2d(grey, stride) * self.gain
            ones = torch.ones_like(score)
            x, y = (ones.cumsum(3) - 0.5) * stride, (ones.cumsum(2) - 0.5) * stride
            rows = torch.cat((x, y, ones * 48, ones * 48, score * 0, score), dim=1)
            found.append(rows.flatten(2))
        rows = torch.cat(found, dim=2)
        if self.kind != "torchvision":
            return rows, [images]  # as YOLO modules give their raw maps beside
        pictures = []
        for picture in rows.transpose(1, 2):
            best = picture[picture[:, 5] > 0.3]
            corners = torch.cat((best[:, :2] - 24, best[:, :2] + 24), dim=1)
            labels = torch.ones(len(best), dtype=torch.long)
            pictures.append({"boxes": corners, "labels": labels, "scores": best[:, 5], "masks": 0})
        return pictures


class nested:
    lamps = Lamps


def torchvision():
    return Lamps("torchvision")


def nameless():
    return Lamps("nameless")


def weighted(path):
    return Lamps(gain=float(path.read_text()))


def cut(path):
    raise EOFError("the file ends in layer 3")


def classifier():
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())


def one_for_all():
    class Sums(nn.Module):
        def forward(self, images):
            return torch.zeros(1, 300, 6)
    return Sums()


def text():
    class Text(nn.Module):
        def forward(self, images):
            return "two cats"
    return Text()


def not_a_module():
    return 3


number = 3
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torch")
    (folder / "own_detectors.py").write_text(SOURCE)
    (folder / "broken_detectors.py").write_text("import a_package_that_is_not_there\n")
    (folder / "lamps.names").write_text("dark\nlamp\n")
    (folder / "gain.weights").write_text("1.0")
    return folder


@pytest.fixture(autouse=True)
def _in_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))


def bright_at(x: int, y: int) -> Picture:
    rgb = np.zeros((360, 640, 3), dtype=np.uint8)
    rgb[y - 24 : y + 24, x - 24 : x + 24] = 255
    return Picture.from_rgb(rgb)


@pytest.mark.parametrize("called", ["Lamps", "torchvision", "nested.lamps"])
def test_boxes_lie_where_the_bright_thing_is(called: str) -> None:
    settings = ModelSettings(name="lamps", torch=f"own_detectors:{called}", input_sizes=[320])
    model = check_model(settings, [416])
    assert (model.kind, model.class_names, model.long_sides) == ("torch", ("dark", "lamp"), (320,))
    assert model.torch is not None
    layout = Layout.TORCHVISION if called == "torchvision" else Layout.YOLOV8
    assert read_torch(model.torch, None, None).head.layout == layout
    detector = open_decoded(model)
    assert (detector.runtime, detector.precision) == ("torch", "float32")
    pictures = [bright_at(100, 200), bright_at(500, 120)]
    found = detector.detect(pictures, Variant("lamps", 320), score_threshold=0.5)
    for boxes, (x, y) in zip(found, [(100, 200), (500, 120)], strict=True):
        assert boxes
        for label, _score, x1, y1, x2, y2 in boxes:
            assert label == 1
            assert abs((x1 + x2) / 2 * 640 - x) < 60
            assert abs((y1 + y2) / 2 * 360 - y) < 60


def test_mixed_precision_finds_the_same_boxes() -> None:
    settings = ModelSettings(name="lamps", torch="own_detectors:Lamps", input_sizes=[320])
    model = check_model(settings, [416])
    detector = open_decoded(model, precision="bfloat16")
    assert detector.precision == "bfloat16"
    [boxes] = detector.detect([bright_at(320, 180)], Variant("lamps", 320), score_threshold=0.5)
    assert boxes


def test_weights_and_names_are_files_of_the_model(folder: Path) -> None:
    settings = ModelSettings(
        name="lamps",
        torch="own_detectors:weighted",
        weights=folder / "gain.weights",
        names=folder / "lamps.names",
    )
    assert check_model(settings, [416]).files == (folder / "gain.weights",)


def refused_here(entry_point: str) -> None:
    """As the check's own process does, without the seconds that one takes."""
    understand(entry_point, describe(entry_point, build(entry_point, None)), None)


@pytest.mark.parametrize(
    ("entry_point", "message"),
    [
        ("no_such_package:build", "No module named 'no_such_package'"),
        ("broken_detectors:build", "No module named 'a_package_that_is_not_there'"),
        ("own_detectors:biuld", "has no attribute 'biuld'"),
        ("own_detectors:number", "not a function or class"),
        ("own_detectors:not_a_module", "gives int, not a torch.nn.Module"),
        ("own_detectors:classifier", "so this is a classifier"),
        ("own_detectors:one_for_all", r"\(1, 300, 6\), not one of each picture"),
        ("own_detectors:text", "gives str, where tensors are needed"),
        ("own_detectors:weighted", "missing 1 required positional argument"),
    ],
)
def test_a_module_that_does_not_fit_is_named_with_the_reason(
    entry_point: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        refused_here(entry_point)
    assert repr(entry_point) in str(caught.value)


def test_a_module_without_names_needs_a_file_of_them() -> None:
    with pytest.raises(ModelError, match="has no attribute `names`"):
        check_model(ModelSettings(name="mine", torch="own_detectors:nameless"), [416])


def test_weights_that_the_module_refuses_are_named(folder: Path) -> None:
    settings = ModelSettings(
        name="mine", torch="own_detectors:cut", weights=folder / "gain.weights"
    )
    with pytest.raises(ModelError, match=r"gain\.weights.*the file ends in layer 3"):
        check_model(settings, [416])


def test_an_entry_point_is_a_module_and_a_callable() -> None:
    with pytest.raises(ValueError, match="torch"):
        ModelSettings(name="mine", torch="own_detectors.py")


def test_it_is_added_by_a_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "my.toml"
    given = ["--torch", "own_detectors:Lamps", "--input-sizes", "320", "--config", str(file)]
    assert main(["models", "add", "lamps", *given]) == 0
    assert "lamps: torch, 2 classes, 320 px (own_detectors:Lamps)" in capsys.readouterr().out
    assert 'torch = "own_detectors:Lamps"' in file.read_text()
    assert main(["models", "check", "--config", str(file)]) == 0
