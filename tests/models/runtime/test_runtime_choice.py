"""The fastest runtime is chosen, if it is worth what it costs, and if the settings permit it."""

from __future__ import annotations

import pytest

from edge.models.runtime.runtime_choice import RuntimeChoice, choose, measure_ms
from edge.profile.variant import NumberFormat, Precision, RuntimeName, RuntimeSetting

TIMES_MS = {
    RuntimeChoice("openvino", "float32"): 5.0,
    RuntimeChoice("openvino", "bfloat16"): 2.0,
    RuntimeChoice("torch", "float32"): 6.0,
    RuntimeChoice("torch", "bfloat16"): 3.0,
}


@pytest.mark.parametrize(
    ("changes", "runtime", "precision", "expected"),
    [
        ({}, "auto", "auto", ("openvino", "bfloat16")),
        ({}, "torch", "auto", ("torch", "bfloat16")),
        ({}, "auto", "float32", ("openvino", "float32")),
        ({}, "torch", "float32", ("torch", "float32")),
        # Not worthwhile: too little gained.
        (
            {("openvino", "bfloat16"): 4.5, ("torch", "bfloat16"): 4.5},
            "auto",
            "auto",
            ("openvino", "float32"),
        ),
        (
            {("torch", "float32"): 4.5, ("torch", "bfloat16"): 1.8},
            "auto",
            "auto",
            ("openvino", "bfloat16"),
        ),
        # Worthwhile.
        ({("torch", "bfloat16"): 1.0}, "auto", "auto", ("torch", "bfloat16")),
        ({("torch", "bfloat16"): 1.0}, "openvino", "auto", ("openvino", "bfloat16")),
        ({("torch", "float32"): 1.0}, "auto", "auto", ("torch", "float32")),
        # Not timed.
        ({}, "auto", "float16", ("openvino", "float16")),
        ({}, "torch", "float16", ("torch", "float16")),
    ],
)
def test_choice(
    changes: dict[tuple[RuntimeName, NumberFormat], float],
    runtime: RuntimeSetting,
    precision: Precision,
    expected: tuple[RuntimeName, NumberFormat],
) -> None:
    times_ms = TIMES_MS | {RuntimeChoice(*each): ms for each, ms in changes.items()}
    assert choose(times_ms, runtime, precision) == RuntimeChoice(*expected)


def test_without_times_it_is_openvino_in_float32() -> None:
    assert choose({}) == RuntimeChoice("openvino", "float32")


def test_each_is_run_in_turn() -> None:
    order: list[str] = []
    runs = {each: lambda name=each.precision: order.append(name) for each in list(TIMES_MS)[:2]}
    times_ms = measure_ms(runs)
    assert set(times_ms) == set(runs)
    assert len(order) >= 12
    assert set(zip(order[::2], order[1::2], strict=True)) == {("float32", "bfloat16")}
