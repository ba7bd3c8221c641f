"""Files of int8 ranges: checked when read, and applied to the layers that they name."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch

from edge.models import int8_ranges, quantized
from edge.models.convolution import Convolution
from edge.models.detector import Detector
from edge.models.int8_ranges import RangesError
from edge.models.quantized import QuantizedConvolution
from edge.models.yolov4 import Network

needs_int8 = pytest.mark.skipif(
    not quantized.can_quantize(), reason="this processor or build of torch has no int8"
)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("{", "the file"),
        ('{"made_by": "x", "layers": {"deep": {"norm": 1, "made": [1, 2]}}}', "layers.deep.made"),
        ('{"made_by": "x", "layers": {"deep": {}}}', "layers.deep.norm"),
        ('{"made_by": "x", "layers": {"deep": {"norm": NaN}}}', "the file|norm"),
        ('{"made_by": "x"}', "layers"),
    ],
)
def test_a_corrupt_file_is_named(
    random_tiny: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, field: str
) -> None:
    monkeypatch.setattr(int8_ranges, "_FOLDER", tmp_path)
    path = int8_ranges.path_of("yolov4-tiny")
    path.write_text(text)
    with pytest.raises(RangesError, match=field) as raised:
        Detector("yolov4-tiny", random_tiny)
    assert str(path) in str(raised.value)


def test_the_shipped_ranges_name_the_networks_layers(random_tiny: Network) -> None:
    ranges = int8_ranges.load(int8_ranges.path_of("yolov4-tiny"))
    assert ranges is not None
    names = {name for name, each in random_tiny.named_modules() if isinstance(each, Convolution)}
    assert set(ranges.layers) < names
    assert not ranges.fit(random_tiny)  # made for other weights
    assert int8_ranges.load(int8_ranges.path_of("yolov4")) is None


@needs_int8
def test_quantizing_leaves_the_other_layers_alone(random_tiny: Network) -> None:
    network = copy.deepcopy(random_tiny)
    norm = int8_ranges.weight_norm(network.get_submodule("deep"))  # type: ignore[arg-type]
    layer = int8_ranges.Int8Layer(norm=norm, given=(-0.5, 5.0))
    ranges = int8_ranges.Int8Ranges(made_by="this test", layers={"deep": layer})
    assert ranges.fit(network)
    int8_ranges.quantize(network, ranges)
    kinds = {type(each) for _, each in network.named_modules() if hasattr(each, "_packed")}
    assert kinds == {Convolution, QuantizedConvolution}
    with torch.inference_mode():
        images = torch.rand(1, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        assert all(bool(raw.isfinite().all()) for raw in network(images))
