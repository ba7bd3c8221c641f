"""Which library runs a network on this CPU, and in which number format: as was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

from edge.profile.variant import NumberFormat, Precision, RuntimeName, RuntimeSetting

# Times as fast. Less isn't worth a number format's accuracy, nor the memory of PyTorch, and may be
# a busy machine's noise.
WORTHWHILE = 1.2
_MEASURE_S = 1.0
_LEAST_ROUNDS, _MOST_ROUNDS = 5, 40


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    runtime: RuntimeName
    precision: NumberFormat


def choose(
    times_ms: Mapping[RuntimeChoice, float],
    runtime: RuntimeSetting = "auto",
    precision: Precision = "auto",
) -> RuntimeChoice:
    """The choice among those that were timed and that the settings permit.

    OpenVINO unless PyTorch is worthwhile, and float32 unless another format is. A format that was
    not timed, but is asked for, is OpenVINO's.
    """
    best: RuntimeChoice | None = None
    ordered = sorted(times_ms, key=lambda each: (each.precision != "float32", each.runtime))
    for each in ordered:
        if runtime not in ("auto", each.runtime) or precision not in ("auto", each.precision):
            continue
        if best is None or WORTHWHILE * times_ms[each] < times_ms[best]:
            best = each
    if best is not None:
        return best
    return RuntimeChoice(
        "openvino" if runtime == "auto" else runtime,
        "float32" if precision == "auto" else precision,
    )


def measure_ms(
    runs: Mapping[RuntimeChoice, Callable[[], object]],
) -> dict[RuntimeChoice, float]:
    """The least time of each, run in turn for a second, so that a busy machine delays all alike."""
    for run in runs.values():
        run()  # which makes its kernels
    times_ms: dict[RuntimeChoice, list[float]] = {each: [] for each in runs}
    ends = perf_counter() + _MEASURE_S
    for done in range(_MOST_ROUNDS):
        if done >= _LEAST_ROUNDS and perf_counter() > ends:
            break
        for each, run in runs.items():
            begun = perf_counter()
            run()
            times_ms[each].append(1000.0 * (perf_counter() - begun))
    return {each: min(times) for each, times in times_ms.items()}
