"""The trace as a value: rates, integrals and their inverse, windows, resampling, repetition."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from traces import Trace, TraceError, constant

rates = st.one_of(st.just(0.0), st.floats(1e3, 1e9))
lengths = st.floats(0.5, 5_000.0)


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    steps = draw(st.lists(st.tuples(lengths, rates), min_size=1, max_size=12))
    ends_ms = np.cumsum([length for length, _ in steps])
    return Trace(
        np.concatenate([[0.0], ends_ms[:-1]]), np.array([r for _, r in steps]), float(ends_ms[-1])
    )


def two_steps() -> Trace:
    """8 Mbit/s for a second, then nothing for half."""
    return Trace(np.array([0.0, 1000.0]), np.array([8e6, 0.0]), 1500.0)


def test_rate_repeats() -> None:
    trace = two_steps()
    assert [trace.rate_at(t) for t in (0, 999.9, 1000, 1499.9, 1500, 2500)] == [
        8e6, 8e6, 0, 0, 8e6, 0,
    ]  # fmt: skip


def test_next_change_counts_the_repetition() -> None:
    trace = two_steps()
    assert [trace.next_change_ms(t) for t in (0, 1000, 1499, 1500)] == [1000, 1500, 1500, 2500]


def test_finish_waits_out_an_outage() -> None:
    trace = two_steps()
    assert trace.finish_ms(999.0, 8_000) == pytest.approx(1000.0, abs=1e-3)
    assert trace.finish_ms(999.0, 16_000) == pytest.approx(1501.0, abs=1e-3)
    assert trace.finish_ms(1200.0, 8_000) == pytest.approx(1501.0, abs=1e-3)
    assert trace.finish_ms(1200.0, 0.0) == 1200.0


def test_finish_over_many_turns() -> None:
    assert two_steps().finish_ms(0.0, 10 * 8e6) == pytest.approx(9 * 1500 + 1000, abs=1e-3)


def test_finish_never_where_nothing_leaves() -> None:
    dead = Trace(np.zeros(1), np.zeros(1), 1000.0)
    assert dead.finish_ms(5.0, 1.0) == math.inf
    assert dead.finish_ms(5.0, 0.0) == 5.0


@given(traces(), st.floats(0.0, 50_000.0), st.floats(1.0, 1e8))
def test_finish_is_the_inverse_of_capacity(trace: Trace, start_ms: float, bits: float) -> None:
    assume(trace.mean_bps > 0.0)
    end_ms = trace.finish_ms(start_ms, bits)
    assert end_ms >= start_ms
    slack = 0.01 + 1e-9 * trace.capacity_bits(0.0, end_ms)
    assert trace.capacity_bits(start_ms, end_ms) == pytest.approx(bits, abs=slack)


@given(traces(), st.floats(0.0, 20_000.0), st.floats(0.0, 20_000.0), st.floats(0.0, 20_000.0))
def test_capacity_adds_up(trace: Trace, a: float, b: float, c: float) -> None:
    a, b, c = sorted((a, b, c))
    whole = trace.capacity_bits(a, c)
    parts = trace.capacity_bits(a, b) + trace.capacity_bits(b, c)
    assert parts == pytest.approx(whole, rel=1e-9, abs=0.01)
    assert whole >= 0.0


@given(traces(), st.floats(0.0, 10_000.0), st.floats(1.0, 10_000.0), st.floats(0.0, 1.0))
def test_window_carries_the_same(
    trace: Trace, start_ms: float, length_ms: float, at: float
) -> None:
    window = trace.window(start_ms, start_ms + length_ms)
    t_ms = at * length_ms
    assert window.duration_ms == pytest.approx(length_ms)
    assert window.capacity_bits(0.0, t_ms) == pytest.approx(
        trace.capacity_bits(start_ms, start_ms + t_ms), rel=1e-6, abs=10.0
    )


@given(traces(), st.floats(10.0, 3_000.0))
def test_resampling_keeps_the_sum(trace: Trace, step_ms: float) -> None:
    even = trace.resample(step_ms)
    assert even.duration_ms == trace.duration_ms
    assert even.mean_bps == pytest.approx(trace.mean_bps, rel=1e-6, abs=1e-3)


def test_resampling_takes_the_mean_of_all_that_is_known() -> None:
    trace = Trace(
        np.array([0.0, 100.0]), np.array([1e6, 3e6]), 200.0, loss=np.array([0.0, 0.5])
    ).resample(200.0)
    assert trace.step_at(0.0) == (2e6, None, None, 0.25)


def test_quantiles_are_by_time() -> None:
    trace = two_steps()
    assert trace.quantile_bps(0.2, 0.5) == (0.0, 8e6)
    assert trace.share_below(1.0) == pytest.approx(1 / 3)
    assert trace.mean_bps == pytest.approx(8e6 / 1.5)


def test_constant() -> None:
    assert constant(5e6).finish_ms(1e6, 5e6) == pytest.approx(1e6 + 1000.0)


def test_values_can_not_be_changed() -> None:
    given_rates = np.array([1e6])
    trace = Trace(np.zeros(1), given_rates, 10.0)
    given_rates[0] = 7.0
    assert trace.rate_at(0) == 1e6
    with pytest.raises(ValueError, match="read-only"):
        trace.rate_bps[0] = 7.0


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"at_ms": []}, "at least one step"),
        ({"at_ms": [1.0, 2.0]}, "ascend from 0"),
        ({"at_ms": [0.0, 0.0]}, "ascend from 0"),
        ({"duration_ms": 5.0}, "duration"),
        ({"duration_ms": math.inf}, "duration"),
        ({"rate_bps": [1.0]}, "as many values"),
        ({"rate_bps": [1.0, -1.0]}, "rate_bps: from 0"),
        ({"rate_bps": [1.0, math.nan]}, "rate_bps: from 0"),
        ({"loss": [0.0, 1.1]}, "loss: from 0 to 1"),
    ],
)
def test_refused(changes: dict[str, Any], rule: str) -> None:
    values = {"at_ms": [0.0, 5.0], "rate_bps": [1.0, 2.0], "duration_ms": 10.0, **changes}
    with pytest.raises(TraceError, match=f"sample: .*{rule}"):
        Trace(**values, name="sample")
