"""Who is refused so that those who are there don't pay for it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.scheduling.admission import AdmissionState, least_load, why_not
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant

IDLE = AdmissionState(devices=0.0, core=0.0, measured=0, newcomers=0)


def test_the_first_is_always_taken() -> None:
    assert why_not(IDLE) is None
    assert why_not(replace(IDLE, devices=9.0, core=9.0, room=False)) is None


@pytest.mark.parametrize(
    ("pressure", "word"),
    [
        (AdmissionState(devices=0.8, core=0.1, measured=8, newcomers=0, room=True), None),
        (AdmissionState(devices=0.81, core=0.1, measured=8, newcomers=0, room=True), "devices"),
        (AdmissionState(devices=0.8, core=0.1, measured=8, newcomers=0, room=False), "scheduler"),
        (AdmissionState(devices=0.7, core=0.1, measured=8, newcomers=1, room=True), "scheduler"),
        (AdmissionState(devices=0.1, core=0.7, measured=8, newcomers=0), None),
        (AdmissionState(devices=0.1, core=0.8, measured=8, newcomers=0), "stream"),
        (AdmissionState(devices=0.1, core=0.7, measured=8, newcomers=2), "stream"),
        (AdmissionState(devices=0.29, core=0.1, measured=1, newcomers=1), None),
        (AdmissionState(devices=0.3, core=0.1, measured=1, newcomers=2), "devices"),
        (AdmissionState(devices=0.0, core=0.0, measured=0, newcomers=5), None),
    ],
)
def test_what_one_more_would_overload_is_named(pressure: AdmissionState, word: str | None) -> None:
    reason = why_not(pressure)
    assert (reason is None) == (word is None)
    assert word is None or word in (reason or "")


@given(
    st.floats(0, 2),
    st.floats(0, 2),
    st.integers(0, 50),
    st.integers(0, 50),
    st.booleans() | st.none(),
)
def test_more_of_anything_never_lets_in_whom_less_kept_out(
    devices: float, core: float, measured: int, newcomers: int, room: bool | None
) -> None:
    now = AdmissionState(devices, core, measured, newcomers, room)
    if why_not(now) is not None:
        assert why_not(replace(now, devices=devices + 0.1)) is not None
        assert why_not(replace(now, core=core + 0.1)) is not None
        assert why_not(replace(now, newcomers=newcomers + 1)) is not None


def _problem(gpus: int, *budgets_ms: float) -> Problem:
    variants = (
        ProblemVariant("small", 0.3, (4.0, 6.0)),
        ProblemVariant("large", 0.6, (20.0, 36.0)),
    )
    clients = tuple(ProblemClient(str(n), 10.0, (ms, ms)) for n, ms in enumerate(budgets_ms))
    return Problem(gpus, variants, clients)


def test_the_least_load_is_of_the_cheapest_that_each_can_wait_for() -> None:
    assert least_load(_problem(1)) == 0.0
    assert least_load(_problem(1, 100.0)) == pytest.approx(0.03)  # small, in twos
    assert least_load(_problem(1, 10.0)) == pytest.approx(0.04)  # small, alone
    assert least_load(_problem(1, 1.0)) == pytest.approx(0.04)  # tried alone, in vain
    assert least_load(_problem(2, 100.0, 100.0)) == pytest.approx(0.03)
    assert least_load(_problem(0)) == 0.0
    assert math.isinf(least_load(_problem(0, 100.0)))
