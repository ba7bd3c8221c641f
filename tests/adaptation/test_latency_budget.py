"""Budgets: sliding quantiles of each leg."""

import math

import pytest

from edge.adaptation.latency_budget import LEGS, LatencyBudget, infeasible


def test_nothing_measured_takes_nothing() -> None:
    budget = LatencyBudget()
    assert all(budget.quantile(leg, 0.5) is None for leg in LEGS)
    assert budget.left_ms(100.0) == 100.0


def test_left_is_the_slo_less_network_decode_and_the_way_back() -> None:
    budget = LatencyBudget()
    for index in range(100):
        budget.observe("network", 10.0 + index, index)
        budget.observe("decode", 1.0, index)
        budget.observe("back", 2.0, index)
        budget.observe("queue", 50.0, index)  # these two are what is left for
        budget.observe("inference", 50.0, index)
    assert budget.left_ms(150.0, 0.95) == pytest.approx(150 - (10 + 94) - 1 - 2)
    assert budget.left_ms(150.0, 0.5) == pytest.approx(150 - (10 + 49) - 1 - 2)
    assert budget.left_ms(50.0, 0.95) < 0


def test_the_window_is_bounded_by_count_and_by_age() -> None:
    budget = LatencyBudget(max_count=10, max_age_ms=1000.0)
    for index in range(20):
        budget.observe("network", float(index), float(index))
    assert budget.quantile("network", 0.0) == 10
    budget.observe("network", 5.0, 2000.0)
    assert budget.quantile("network", 1.0) == 5.0
    assert budget.quantile("network", 1.0, now_ms=4000.0) is None


def test_clocks_err_and_times_can_be_nonsense() -> None:
    budget = LatencyBudget()
    budget.observe("network", -3.0, 0.0)
    assert budget.quantile("network", 1.0) == 0.0
    budget.observe("network", math.nan, 0.0)
    budget.observe("network", math.inf, 0.0)
    assert budget.quantile("network", 1.0) == 0.0


@pytest.mark.parametrize(("network_ms", "is_so"), [(99.9, False), (100.0, True), (400.0, True)])
def test_infeasible_is_what_the_network_alone_ate(network_ms: float, is_so: bool) -> None:
    assert infeasible(100.0, network_ms) is is_so
