"""A convolution with its folded normalisation and its activation."""

from __future__ import annotations

from collections import OrderedDict
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["leaky", "mish", "linear", "swish", "logistic", "relu"]

LEAKY_SLOPE = 0.1


class Convolution(nn.Module):
    """A "same" convolution, bias (with batch normalisation folded in) and activation.

    `normalized`: whether the weight file has batch-normalisation numbers for it. `packs`: for how
    many input shapes it caches its weights in oneDNN's layout (CPU only); unpacked, oneDNN
    rearranges them in every call. The least recently used pack is evicted; packing again takes
    about as long as one unpacked call.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        activation: Activation = "leaky",
        normalized: bool = True,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.groups = groups
        self.stride = stride
        self.padding = kernel // 2
        self.activation = activation
        self.normalized = normalized
        self.weight = nn.Parameter(torch.zeros(outputs, inputs // groups, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.packs = 0
        self._packed: OrderedDict[torch.Size, Tensor] = OrderedDict()

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H / stride, W / stride)."""
        if self.packs:
            return self._forward_packed(x)
        x = F.conv2d(
            x, self.weight, self.bias, self.stride, self.padding, dilation=1, groups=self.groups
        )
        return activate(x, self.activation)

    def _forward_packed(self, x: Tensor) -> Tensor:
        # torch.compile emits these calls too, but needs a C++ compiler.
        padding, stride, dilation = [self.padding] * 2, [self.stride] * 2, [1, 1]
        weight = self._packed.get(x.shape)
        if weight is None:
            weight = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, padding, stride, dilation, self.groups, list(x.shape)
            )
            self._packed[x.shape] = weight
            if len(self._packed) > self.packs:
                self._packed.popitem(last=False)
        else:
            self._packed.move_to_end(x.shape)
        fused: tuple[str, list[float], str] = ("none", [], "")
        if self.activation == "leaky":
            fused = ("leaky_relu", [LEAKY_SLOPE], "")
        out: Tensor = torch.ops.mkldnn._convolution_pointwise(
            x, weight, self.bias, padding, stride, dilation, self.groups, *fused
        )
        return out if self.activation == "leaky" else activate(out, self.activation, inplace=True)


def activate(x: Tensor, activation: Activation, *, inplace: bool = False) -> Tensor:
    """The activation that Darknet calls so."""
    match activation:
        case "leaky":
            return F.leaky_relu(x, LEAKY_SLOPE, inplace)
        case "mish":
            return F.mish(x, inplace)
        case "swish":
            return F.silu(x, inplace)
        case "relu":
            return F.relu(x, inplace)
        case "logistic":
            return x.sigmoid_() if inplace else x.sigmoid()
        case "linear":
            return x


@cache
def can_pack(dtype: torch.dtype) -> bool:
    """Whether this CPU and this build of torch run packed convolutions correctly."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    x = torch.linspace(-1, 1, 2 * 16 * 8 * 8).view(2, 16, 8, 8)
    plain = Convolution(16, 16, 3).eval().requires_grad_(False)
    plain.weight.copy_(torch.linspace(-0.1, 0.1, plain.weight.numel()).view_as(plain.weight))
    plain.bias.fill_(0.5)
    with torch.inference_mode():
        expected = plain(x)
        packed = plain.to(dtype)
        packed.packs = 1
        try:
            found = packed(x.to(dtype).contiguous(memory_format=torch.channels_last)).float()
        except (AttributeError, RuntimeError):
            return False
    return torch.allclose(found, expected, rtol=0.05, atol=0.05)
