"""Convolutions in int8: close to float32's, and float32 where int8 can't be."""

import copy
from pathlib import Path

import pytest
import torch

from edge.ipc.picture import Picture
from edge.models import Detector, precision, quantized, ranges
from edge.models.convolution import Convolution
from edge.models.f1 import match
from edge.models.quantized import QuantizedConvolution, Range
from edge.models.ranges import RangesError
from edge.models.yolov4 import Network
from edge.profile.variant import Variant

CPU = torch.device("cpu")

needs_int8 = pytest.mark.skipif(
    not quantized.can_quantize(), reason="this processor or build of torch has no int8"
)


def test_a_range_holds_zero_exactly() -> None:
    for low, high in ((-1.3, 16.7), (0.0, 5.0), (-4.0, 0.1)):
        scale, zero = Range(low, high).affine()
        assert 0 <= zero <= 255
        assert -zero * scale == pytest.approx(low, abs=scale / 2 + 1e-9)
        assert (255 - zero) * scale == pytest.approx(high, abs=scale / 2 + 1e-9)


@needs_int8
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
@pytest.mark.parametrize("activation", ["leaky", "linear"])
def test_a_layer_is_near_to_float32s(kernel: int, stride: int, activation: str) -> None:
    generator = torch.Generator().manual_seed(kernel + stride)
    plain = Convolution(48, 40, kernel, stride=stride, activation=activation)  # type: ignore[arg-type]
    plain.eval().requires_grad_(False)
    plain.weight.normal_(0, 0.1, generator=generator)
    plain.bias.normal_(0, 0.5, generator=generator)
    given, made = Range(-0.4, 1.0), Range(-8.0, 8.0)
    to_float = QuantizedConvolution(plain, given)
    to_int8 = QuantizedConvolution(plain, given, made)
    with torch.inference_mode():
        for shape in ((1, 48, 9, 13), (3, 48, 9, 13), (1, 48, 20, 8), (1, 48, 9, 13)):
            x = (1.4 * torch.rand(shape, generator=generator) - 0.4).contiguous(
                memory_format=torch.channels_last
            )
            expected = plain(x)
            spread = float(expected.abs().max())
            assert (to_float(x) - expected).abs().max() < 0.02 * spread
            found = to_int8(x)
            assert found.is_quantized
            assert (found.dequantize() - expected).abs().max() < 0.02 * spread + made.affine()[0]


@needs_int8
def test_half_of_a_maps_channels_are_taken_as_they_are() -> None:
    plain = Convolution(16, 8, 3).eval().requires_grad_(False)
    plain.weight.copy_(torch.linspace(-1, 1, plain.weight.numel()).view_as(plain.weight))
    x = torch.rand(2, 32, 6, 6, generator=torch.Generator().manual_seed(1))
    whole = torch.quantize_per_tensor(
        x.contiguous(memory_format=torch.channels_last), *Range(0, 1).affine(), torch.quint8
    )
    layer = QuantizedConvolution(plain)
    with torch.inference_mode():
        half = whole.chunk(2, dim=1)[1]
        expected = plain(half.dequantize())
        assert (layer(half) - expected).abs().max() < 0.02 * expected.abs().max()


@needs_int8
def test_packed_weights_are_bounded() -> None:
    ends = Range(-1.0, 1.0)
    plain = Convolution(8, 8, 1).requires_grad_(False)
    plain.packs = 2
    layer = QuantizedConvolution(plain, ends)
    with torch.inference_mode():
        for side in (4, 5, 6, 5):
            layer(torch.zeros(1, 8, side, side).contiguous(memory_format=torch.channels_last))
    assert [shape[2] for shape, _, _ in layer._packed] == [6, 5]


def test_a_layer_without_a_range_takes_no_float32() -> None:
    layer = QuantizedConvolution(Convolution(8, 8, 1).requires_grad_(False))
    with pytest.raises(ValueError, match="float32"):
        layer(torch.zeros(1, 8, 4, 4))
    with pytest.raises(ValueError, match="mish"):
        QuantizedConvolution(Convolution(8, 8, 1, activation="mish"))


@needs_int8
@pytest.mark.weights
@pytest.mark.parametrize("long_side", [224, 416, 608])
def test_int8_finds_the_photographs_boxes(
    tiny: Network, photographs: dict[str, Picture], long_side: int
) -> None:
    exact = Detector("yolov4-tiny", tiny, precision="float32")
    reduced = Detector("yolov4-tiny", tiny, precision="int8")
    assert reduced.precision == "int8"
    variant = Variant("yolov4-tiny", long_side)
    for picture in photographs.values():
        expected = [box for box in exact.detect([picture], variant)[0] if box[1] > 0.4]
        found = reduced.detect([picture], variant)[0]
        pairs = match(expected, found, 0.8)
        assert len(pairs) == len(expected) > 0
        assert all(abs(one[1] - other[1]) < 0.15 for one, other, _ in pairs)


@needs_int8
@pytest.mark.weights
def test_batches_and_sizes_may_change(tiny: Network, photographs: dict[str, Picture]) -> None:
    detector = Detector("yolov4-tiny", tiny, precision="int8")
    bus, zidane = photographs["bus"], photographs["zidane"]
    small, large = Variant("yolov4-tiny", 320), Variant("yolov4-tiny", 416)
    first = [detector.detect([bus], large)[0], detector.detect([zidane], small)[0]]
    three = detector.detect([zidane] * 3, small)
    again = [detector.detect([bus], large)[0], detector.detect([zidane], small)[0]]
    assert first == again
    for boxes in three:
        assert len(match(first[1], boxes, 0.95)) == len(boxes) == len(first[1])


def test_other_weights_are_served_in_float32(
    random_tiny: Network, random_yolov4: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(precision, "fastest", lambda can_int8: "int8" if can_int8 else "float32")
    for name, network in (("yolov4-tiny", random_tiny), ("yolov4", random_yolov4)):
        assert Detector(name, network, precision="int8").precision == "float32"
        assert Detector(name, network).precision == "float32"


def test_int8_is_chosen_only_where_it_can_be_and_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "can_quantize", lambda: True)
    monkeypatch.setattr(precision, "has_bfloat16", lambda: True)
    took_ms = {"float32": 2.0}
    monkeypatch.setattr(precision, "_took_ms", lambda formats: {f: took_ms[f] for f in formats})
    monkeypatch.setattr(precision, "fastest", precision.fastest.__wrapped__)
    for int8_ms, bfloat16_ms, expected in (
        (0.5, 1.0, "int8"),
        (0.9, 1.0, "bfloat16"),  # too little gained over bfloat16
        (0.9, 9.0, "int8"),
        (1.9, 1.9, "float32"),
    ):
        took_ms |= {"bfloat16": bfloat16_ms, "int8": int8_ms}
        assert precision.chosen("auto", CPU, ranges=True) == expected
        assert precision.chosen("auto", CPU, ranges=False) != "int8"
    assert precision.chosen("int8", CPU, ranges=True) == "int8"
    assert precision.chosen("int8", torch.device("cuda"), ranges=True) == "float32"
    assert precision.chosen("auto", torch.device("cuda"), ranges=True) == "float16"
    monkeypatch.setattr(precision, "can_quantize", lambda: False)
    assert precision.chosen("int8", CPU, ranges=True) == "float32"
    assert precision.chosen("auto", CPU, ranges=True) == "float32"


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
    monkeypatch.setattr(ranges, "_FOLDER", tmp_path)
    path = ranges.path_of("yolov4-tiny")
    path.write_text(text)
    with pytest.raises(RangesError, match=field) as raised:
        Detector("yolov4-tiny", random_tiny)
    assert str(path) in str(raised.value)


def test_the_shipped_ranges_name_the_networks_layers(random_tiny: Network) -> None:
    known = ranges.load(ranges.path_of("yolov4-tiny"))
    assert known is not None
    names = {name for name, each in random_tiny.named_modules() if isinstance(each, Convolution)}
    assert set(known.layers) < names
    assert not known.fit(random_tiny)  # made for other weights
    assert ranges.load(ranges.path_of("yolov4")) is None


@needs_int8
def test_quantizing_leaves_the_other_layers_alone(random_tiny: Network) -> None:
    network = copy.deepcopy(random_tiny)
    norm = ranges.weight_norm(network.get_submodule("deep"))  # type: ignore[arg-type]
    layer = ranges.Layer(norm=norm, given=(-0.5, 5.0))
    known = ranges.Ranges(made_by="this test", layers={"deep": layer})
    assert known.fit(network)
    ranges.quantize(network, known)
    kinds = {type(each) for _, each in network.named_modules() if hasattr(each, "_packed")}
    assert kinds == {Convolution, QuantizedConvolution}
    with torch.inference_mode():
        images = torch.rand(1, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        assert all(bool(raw.isfinite().all()) for raw in network(images))
