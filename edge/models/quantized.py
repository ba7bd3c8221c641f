"""Convolutions in int8: activations as uint8 from layer to layer, weights as int8 by channel.

Affine quantisation as in Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference" (CVPR 2018): a value x is stored as round(x / scale) + zero.
oneDNN's kernels multiply uint8 by int8 four at a time (VNNI), up to four times as fast as float32.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.models.convolution import LEAKY_SLOPE, Convolution

_LEVELS = 255
_WEIGHT_LEVELS = 127


class Range(NamedTuple):
    """The values that a quantised map represents; values outside are clamped to the nearer end."""

    low: float
    high: float

    def affine(self) -> tuple[float, int]:
        """(scale, zero) that hold 0 exactly, as the convolutions' padding needs."""
        low, high = min(self.low, 0.0), max(self.high, 0.0)
        scale = (high - low) / _LEVELS
        return scale, round(-low / scale)


class QuantizedConvolution(nn.Module):
    """A convolution in int8 with exact sums, and its activation in float32.

    `given` is its input's range, needed where the input is float32; `made` its output's, without
    which the output is float32. Weights in oneDNN's layout are cached for as many input shapes as
    the convolution's are.
    """

    def __init__(
        self, convolution: Convolution, given: Range | None = None, made: Range | None = None
    ) -> None:
        super().__init__()
        if convolution.activation == "mish":
            raise ValueError("no mish in int8")
        weight = convolution.weight.detach()
        self._scales = (weight.abs().amax((1, 2, 3)) / _WEIGHT_LEVELS).clamp(min=1e-12)
        self._zeros = torch.zeros(len(weight), dtype=torch.int32)
        self._weight = (weight / self._scales[:, None, None, None]).round().to(torch.int8)
        self._bias = convolution.bias.detach()
        self._leaky = convolution.activation == "leaky"
        # Stride, padding, dilation, groups.
        self._geometry = [convolution.stride] * 2, [convolution.padding] * 2, [1, 1], 1
        self._given = given.affine() if given else None
        self._made = made.affine() if made else None
        self._packs = max(1, convolution.packs)
        self._packed: OrderedDict[tuple[torch.Size, float, int], Tensor] = OrderedDict()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride), channels last."""
        if not x.is_quantized:
            if self._given is None:
                raise ValueError("a float32 map for a layer without an input range")
            x = torch.quantize_per_tensor(x, *self._given, torch.quint8)
        scale, zero = x.q_scale(), x.q_zero_point()
        # oneDNN can't fuse a leaky activation here. On float32 results it costs little; rounding to
        # 8 bits before and after it is no faster and less accurate.
        y: Tensor = torch.ops.onednn.qconv2d_pointwise(
            _bytes(x), scale, zero, self._pack(x.shape, scale, zero), self._scales, self._zeros,
            self._bias, *self._geometry, 1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        if self._leaky:
            F.leaky_relu_(y, LEAKY_SLOPE)
        return y if self._made is None else torch.quantize_per_tensor(y, *self._made, torch.quint8)

    def _pack(self, shape: torch.Size, scale: float, zero: int) -> Tensor:
        key = (shape, scale, zero)
        packed = self._packed.get(key)
        if packed is None:
            packed = torch.ops.onednn.qconv_prepack(
                self._weight, self._scales, scale, zero, *self._geometry, list(shape)
            )
            self._packed[key] = packed
            if len(self._packed) > self._packs:
                self._packed.popitem(last=False)
        else:
            self._packed.move_to_end(key)
        return packed


def _bytes(x: Tensor) -> Tensor:
    """A quantised tensor's integers as a view of its memory; int_repr() would copy."""
    return torch.empty(0, dtype=torch.uint8).set_(
        x.untyped_storage(), x.storage_offset(), x.size(), x.stride()
    )


@cache
def can_quantize() -> bool:
    """Whether this CPU and this build of torch run quantised convolutions correctly.

    Without VNNI, sums of two large products saturate; this check detects it.
    """
    plain = Convolution(32, 16, 3).eval().requires_grad_(False)
    plain.weight.copy_(torch.linspace(-1, 3, plain.weight.numel()).sign().view_as(plain.weight))
    x = torch.linspace(-0.3, 2, 2 * 32 * 8 * 8).clamp(max=1).view(2, 32, 8, 8)
    with torch.inference_mode(), warnings.catch_warnings():
        # torch warns that a later version drops quantised tensors; this then returns False.
        warnings.simplefilter("ignore", UserWarning)
        expected = plain(x)
        made = Range(float(expected.min()), float(expected.max()))
        try:
            found = QuantizedConvolution(plain, Range(-0.3, 1.0), made)(
                x.contiguous(memory_format=torch.channels_last)
            ).dequantize()
        except (AttributeError, NotImplementedError, RuntimeError):
            return False
    return torch.allclose(found, expected, rtol=0.0, atol=0.02 * (made.high - made.low))
