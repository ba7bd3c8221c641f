"""The number format that a device computes fastest in, at next to no loss of accuracy."""

from __future__ import annotations

from functools import cache
from time import perf_counter
from typing import Literal

import torch

from edge.models.convolution import Convolution, can_pack

Precision = Literal["auto", "float32", "bfloat16", "float16"]

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_PAYS = 1.2  # times as fast: less isn't worth the accuracy, nor safe from a busy machine's noise
_REPEATS = 5


def chosen(precision: Precision, device: torch.device) -> torch.dtype:
    """`precision`, where "auto" is float16 on CUDA, bfloat16 on a CPU that is faster in it, else
    float32."""
    if precision != "auto":
        return DTYPES[precision]
    if device.type == "cuda":
        return torch.float16
    return torch.bfloat16 if bfloat16_pays() else torch.float32


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX-512 BF16 or AMX), not just emulation."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


@cache
def bfloat16_pays() -> bool:
    """Whether a convolution like the network's runs faster in bfloat16 here; a tenth of a second.

    Measured, since the instructions alone don't tell: a Xeon with AVX-512 BF16 and without AMX is
    slower with them than in float32.
    """
    if not has_bfloat16():
        return False
    return _PAYS * _best_ms(torch.bfloat16) < _best_ms(torch.float32)


def _best_ms(dtype: torch.dtype) -> float:
    convolution = Convolution(128, 128, 3).eval().requires_grad_(False).to(dtype)
    convolution.packs = int(can_pack(dtype))
    x = torch.zeros(1, 128, 38, 38, dtype=dtype).contiguous(memory_format=torch.channels_last)
    took_ms = []
    with torch.inference_mode():
        for _ in range(_REPEATS + 1):
            begun = perf_counter()
            convolution(x)
            took_ms.append(1000.0 * (perf_counter() - begun))
    return min(took_ms[1:])  # the first packs the weights
