"""The number format that a device computes fastest in, at next to no loss of accuracy."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Literal

import torch

from edge.models.convolution import Convolution, can_pack
from edge.models.quantized import QuantizedConvolution, Range, can_quantize

Format = Literal["float32", "bfloat16", "float16", "int8"]
Precision = Literal["auto", "float32", "bfloat16", "float16", "int8"]

# What maps are between layers in float32; int8 begins and ends there.
DTYPES: dict[Format, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,
}
_PAYS = 1.2  # times as fast: less isn't worth the accuracy, nor safe from a busy machine's noise
_REPEATS = 5


def chosen(precision: Precision, device: torch.device, *, ranges: bool) -> Format:
    """What to compute in. `ranges`: whether the network's ranges are known, as int8 needs.

    "auto" is float16 on CUDA, on a CPU whatever is measured to be fastest; "int8" is float32 where
    there is no int8.
    """
    can_int8 = ranges and device.type == "cpu" and can_quantize()
    if precision == "int8":
        return "int8" if can_int8 else "float32"
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "float16"
    return fastest(can_int8)


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX-512 BF16 or AMX), not just emulation."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


@cache
def fastest(can_int8: bool) -> Format:
    """The format in which a convolution like the network's runs fastest on this CPU; a tenth of a
    second.

    Measured, since the instructions alone don't tell: a Xeon with AVX-512 BF16 and without AMX is
    slower with them than in float32.
    """
    best: Format = "float32"
    best_ms = _float_ms(torch.float32)
    if has_bfloat16() and _PAYS * (took_ms := _float_ms(torch.bfloat16)) < best_ms:
        best, best_ms = "bfloat16", took_ms
    if can_int8 and _PAYS * _int8_ms() < best_ms:
        best = "int8"
    return best


def _typical() -> Convolution:
    return Convolution(128, 128, 3).eval().requires_grad_(False)


def _float_ms(dtype: torch.dtype) -> float:
    convolution = _typical().to(dtype)
    convolution.packs = int(can_pack(dtype))
    return _best_ms(convolution, dtype)


def _int8_ms() -> float:
    ends = Range(-0.1, 1.0)
    return _best_ms(QuantizedConvolution(_typical(), ends, ends), torch.float32)


def _best_ms(layer: torch.nn.Module, dtype: torch.dtype) -> float:
    x = torch.zeros(1, 128, 38, 38, dtype=dtype).contiguous(memory_format=torch.channels_last)
    took_ms = []
    with torch.inference_mode():
        for _ in range(_REPEATS + 1):
            begun = perf_counter()
            layer(x)
            took_ms.append(1000.0 * (perf_counter() - begun))
    return min(took_ms[1:])  # the first packs the weights
