"""The number format in which PyTorch computes fastest, at almost no loss of accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from time import perf_counter

import torch

from edge.models.convolution import Convolution, can_pack
from edge.profile.variant import NumberFormat, Precision

DTYPES: dict[NumberFormat, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
WORTHWHILE = 1.2  # times as fast: less isn't worth the accuracy, and may be a busy machine's noise
_REPEATS = 12


def choose(precision: Precision, device: torch.device) -> NumberFormat:
    """The format for a device: "auto" is float16 on CUDA and the fastest one on a CPU."""
    if precision != "auto":
        return precision
    return "float16" if device.type == "cuda" else fastest()


def has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX-512 BF16 or AMX), not just emulation."""
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


@cache
def fastest() -> NumberFormat:
    """The format in which a convolution like the networks' runs fastest on this CPU.

    Measured in a quarter of a second, since instructions alone don't decide it: a Xeon with
    AVX-512 BF16 and without AMX is slower with them than in float32.
    """
    if not has_bfloat16():
        return "float32"
    times_ms = _measure_ms(("float32", "bfloat16"))
    return "bfloat16" if WORTHWHILE * times_ms["bfloat16"] < times_ms["float32"] else "float32"


def _measure_ms(formats: Sequence[NumberFormat]) -> dict[NumberFormat, float]:
    """The least time of each format, run in turn, so that a busy machine delays all alike.

    On one thread: on several, it would most delay the one with the most barriers.
    """
    times_ms: dict[NumberFormat, list[float]] = {each: [] for each in formats}
    layers = {each: _layer(each) for each in formats}
    inputs = {
        each: torch.zeros(1, 128, 38, 38, dtype=DTYPES[each]).contiguous(
            memory_format=torch.channels_last
        )
        for each in formats
    }
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for _ in range(_REPEATS + 1):
                for each in formats:
                    begun = perf_counter()
                    layers[each](inputs[each])
                    times_ms[each].append(1000.0 * (perf_counter() - begun))
    finally:
        torch.set_num_threads(threads)
    return {each: min(times[1:]) for each, times in times_ms.items()}  # the first packs the weights


def _layer(kind: NumberFormat) -> torch.nn.Module:
    convolution = Convolution(128, 128, 3).eval().requires_grad_(False)
    convolution.packs = int(can_pack(DTYPES[kind]))
    return convolution.to(DTYPES[kind])
