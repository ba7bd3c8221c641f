"""A convolution with its activation, plain and with weights in oneDNN's layout."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from edge.models.convolution import LEAKY_SLOPE, Activation, Convolution, can_pack

needs_packing = pytest.mark.skipif(
    not can_pack(torch.float32), reason="this processor or build of torch packs no convolutions"
)


def made(activation: Activation, kernel: int = 3, stride: int = 1) -> Convolution:
    generator = torch.Generator().manual_seed(1)
    convolution = Convolution(6, 4, kernel, stride=stride, activation=activation).eval()
    convolution.requires_grad_(False)
    convolution.weight.normal_(0, 0.3, generator=generator)
    convolution.bias.normal_(0, 0.5, generator=generator)
    return convolution


def expected(convolution: Convolution, x: torch.Tensor) -> torch.Tensor:
    """By the definition, with explicit padding."""
    padding = convolution.weight.shape[-1] // 2
    padded = F.pad(x, (padding,) * 4)
    y = F.conv2d(padded, convolution.weight, convolution.bias, convolution.stride)
    match convolution.activation:
        case "leaky":
            return torch.where(y > 0, y, LEAKY_SLOPE * y)
        case "mish":
            return y * torch.tanh(torch.log1p(torch.exp(y)))
        case _:
            return y


@pytest.mark.parametrize("activation", ["leaky", "mish", "linear"])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2)])
@pytest.mark.parametrize("packs", [0, pytest.param(1, marks=needs_packing)])
def test_the_definition_holds(activation: Activation, kernel: int, stride: int, packs: int) -> None:
    convolution = made(activation, kernel, stride)
    convolution.packs = packs
    x = torch.randn(2, 6, 8, 12, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        y = convolution(x.contiguous(memory_format=torch.channels_last))
    assert y.shape == (2, 4, 8 // stride, 12 // stride)
    torch.testing.assert_close(y, expected(convolution, x), rtol=1e-4, atol=1e-4)


@needs_packing
def test_the_least_recently_used_pack_is_evicted() -> None:
    convolution = made("linear")
    convolution.packs = 2
    with torch.inference_mode():
        for side in (4, 5, 4, 6):
            x = torch.zeros(1, 6, side, side)
            convolution(x.contiguous(memory_format=torch.channels_last))
    assert [shape[2] for shape in convolution._packed] == [4, 6]
