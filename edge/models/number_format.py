"""The number format in which a device computes fastest, at almost no loss of accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from time import perf_counter

import torch

from edge.models.convolution import Convolution, can_pack
from edge.models.quantized import QuantizedConvolution, Range, can_quantize
from edge.profile.variant import NumberFormat, Precision

# Of the maps between layers; with int8, those where int8 begins and ends.
DTYPES: dict[NumberFormat, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "int8": torch.float32,
}
_WORTHWHILE = 1.2  # times as fast: less isn't worth the accuracy, and may be a busy machine's noise
_REPEATS = 12


def choose(precision: Precision, device: torch.device, *, has_ranges: bool) -> NumberFormat:
    """The format for a device. `has_ranges`: whether the network has ranges, which int8 needs.

    "auto" is float16 on CUDA and the format measured to be fastest on a CPU; "int8" is float32
    where there is no int8.
    """
    can_int8 = has_ranges and device.type == "cpu" and can_quantize()
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
def fastest(can_int8: bool) -> NumberFormat:
    """The format in which a convolution like the networks' runs fastest on this CPU.

    Measured in a quarter of a second, since instructions alone don't decide it: a Xeon with
    AVX-512 BF16 and without AMX is slower with them than in float32.
    """
    formats: list[NumberFormat] = ["float32"]
    if has_bfloat16():
        formats.append("bfloat16")
    if can_int8:
        formats.append("int8")
    times_ms = _measure_ms(formats)
    best: NumberFormat = "float32"
    for other in formats:
        if _WORTHWHILE * times_ms[other] < times_ms[best]:
            best = other
    return best


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
    if kind == "int8":
        ends = Range(-0.1, 1.0)
        return QuantizedConvolution(convolution, ends, ends)
    convolution.packs = int(can_pack(DTYPES[kind]))
    return convolution.to(DTYPES[kind])
