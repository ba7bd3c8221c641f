"""The option that a cost limit allows."""

from __future__ import annotations

import math

import pytest

from edge.batching.latency_options import LatencyOption, LatencyOptions


def options(*costs_ms: float) -> LatencyOptions:
    made = []
    for index, cost_ms in enumerate(costs_ms):
        option = LatencyOption(f"v{index}", (32, 32))
        option.cost_ms = option.fastest_ms = cost_ms
        made.append(option)
    all_options = LatencyOptions(tuple(made))
    all_options.cheapest = min(made, key=lambda option: option.cost_ms)
    return all_options


@pytest.mark.parametrize(
    ("limit_ms", "variant"),
    [(math.inf, "v0"), (30.0, "v0"), (29.9, "v1"), (10.0, "v2"), (1.0, "v2")],
)
def test_the_best_within_the_limit_or_else_the_cheapest(limit_ms: float, variant: str) -> None:
    assert options(30.0, 20.0, 10.0).best_within(limit_ms).variant == variant


def test_an_option_that_no_live_device_serves_is_passed_over() -> None:
    choice = options(30.0, 20.0)
    choice.options[0].fastest_ms = math.inf
    assert choice.best_within(math.inf).variant == "v1"
