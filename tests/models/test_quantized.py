"""Convolutions in int8 are close to those in float32."""

from __future__ import annotations

import pytest
import torch

from edge.ipc.picture import Picture
from edge.models import quantized
from edge.models.boxes import match
from edge.models.convolution import Convolution
from edge.models.detector import Detector
from edge.models.quantized import QuantizedConvolution, Range
from edge.models.yolov4 import Network
from edge.profile.variant import Variant

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
