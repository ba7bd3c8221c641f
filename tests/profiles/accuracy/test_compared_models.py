"""Which detectors an accuracy profile of the settings' own models compares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.assets import samples
from edge.ipc.picture import Picture
from edge.models.registry.model_check import check_model
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.model_settings import ModelSettings
from edge.profile.variant import LONG_SIDES, Variant
from profiles.__main__ import main
from profiles.accuracy.compared_models import of_settings, open_model
from profiles.arguments import UsageError
from tests.models.darknet_config import small
from tests.models.registry.darknet_files import table, write_model


def _settings(folder: Path, *, family: str | None = "ours") -> Path:
    """Two models of three classes, of which the second is the larger, and one of two classes."""
    text = ""
    for name in ("mine", "larger", "two"):
        classes = 2 if name == "two" else 3
        described = small(classes=classes)
        if name == "larger":
            assert "filters=24" in described
            described = described.replace("filters=24", "filters=48")
        cfg, weights, names = write_model(folder, classes, name, described)
        values: dict[str, str] = {"cfg": str(cfg), "weights": str(weights), "names": str(names)}
        if family is not None and name != "two":
            values["family"] = family
        text += table(name, input_sizes=[128, 224], **values)
    path = folder / "my.toml"
    path.write_text(text)
    return path


def test_the_largest_of_a_family_is_the_reference(tmp_path: Path) -> None:
    compared = of_settings(_settings(tmp_path), "mine", None)
    assert (compared.model.name, compared.reference.name) == ("mine", "larger")
    assert compared.reference_variant.name == "larger-224"
    alone = of_settings(_settings(tmp_path, family=None), "mine", None)
    assert alone.reference == alone.model


def test_models_that_are_not_there_or_do_not_compare_are_named(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    with pytest.raises(UsageError, match="--model: other is not a model of the settings: mine"):
        of_settings(settings, "other", None)
    with pytest.raises(UsageError, match="--reference: other is not a model of the settings"):
        of_settings(settings, "mine", "other")
    with pytest.raises(UsageError, match="--reference: two has other classes than mine"):
        of_settings(settings, "mine", "two")


def test_a_model_finds_what_it_finds_in_a_server(tmp_path: Path) -> None:
    cfg, weights, names = write_model(tmp_path, 3, text=small(classes=3))
    described = ModelSettings(name="mine", cfg=cfg, weights=weights, names=names)
    detector = open_model(check_model(described, LONG_SIDES), "cpu", "float32")
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    picture = Picture.from_rgb(noise)
    [boxes] = detector.detect([picture], Variant("mine", 128), score_threshold=0.01)
    assert boxes
    assert all(box[0] < 3 for box in boxes)


def test_ones_own_model_on_ones_own_video(tmp_path: Path) -> None:
    out = tmp_path / "mine.json"
    arguments = ["accuracy", "--config", str(_settings(tmp_path)), "--out", str(out)]
    arguments += ["--video", str(samples.street_video()), "--seconds", "1", "--frames", "2"]
    arguments += ["--codec", "vp8", "--sent", "224", "--kbps", "150"]
    for model in ("mine", "larger"):  # a family in one file, on one scale
        assert main([*arguments, "--model", model]) == 0
    profile = load_accuracy_profile(out)
    assert profile.reference == "larger-224"
    assert profile.networks == ("larger", "mine")
    assert all(set(row.f1) == {128, 224} for row in profile.rows)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--reference", "yolov4"],
        ["--config", "my.toml"],
        ["--model", "mine", "--network", "yolov4"],
    ],
)
def test_flags_that_do_not_go_together_are_bad_usage(arguments: list[str]) -> None:
    try:
        status: object = main(["accuracy", *arguments])
    except SystemExit as ended:
        status = ended.code
    assert status == 2
