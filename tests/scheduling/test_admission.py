"""A session is refused where it would overload the devices or the receiving processes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.scheduling.admission import ServerLoad, minimum_load, refusal_reason
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant

IDLE = ServerLoad(devices=0.0, ingest=0.0, planned=0, newcomers=0)


def test_the_first_is_always_taken() -> None:
    assert refusal_reason(IDLE) is None
    assert refusal_reason(replace(IDLE, devices=9.0, ingest=9.0, can_serve_another=False)) is None


@pytest.mark.parametrize(
    ("load", "word"),
    [
        (ServerLoad(devices=0.8, ingest=0.1, planned=8, newcomers=0, can_serve_another=True), None),
        (
            ServerLoad(devices=0.81, ingest=0.1, planned=8, newcomers=0, can_serve_another=True),
            "devices",
        ),
        (
            ServerLoad(devices=0.8, ingest=0.1, planned=8, newcomers=0, can_serve_another=False),
            "scheduler",
        ),
        (
            ServerLoad(devices=0.7, ingest=0.1, planned=8, newcomers=1, can_serve_another=True),
            "scheduler",
        ),
        (ServerLoad(devices=0.1, ingest=0.7, planned=8, newcomers=0), None),
        (ServerLoad(devices=0.1, ingest=0.8, planned=8, newcomers=0), "stream"),
        (ServerLoad(devices=0.1, ingest=0.7, planned=8, newcomers=2), "stream"),
        (ServerLoad(devices=0.29, ingest=0.1, planned=1, newcomers=1), None),
        (ServerLoad(devices=0.3, ingest=0.1, planned=1, newcomers=2), "devices"),
        (ServerLoad(devices=0.0, ingest=0.0, planned=0, newcomers=5), None),
    ],
)
def test_what_one_more_would_overload_is_named(load: ServerLoad, word: str | None) -> None:
    reason = refusal_reason(load)
    assert (reason is None) == (word is None)
    assert word is None or word in (reason or "")


@given(
    st.floats(0, 2),
    st.floats(0, 2),
    st.integers(0, 50),
    st.integers(0, 50),
    st.booleans() | st.none(),
)
def test_more_load_never_admits_a_session_that_less_load_refused(
    devices: float, ingest: float, planned: int, newcomers: int, can_serve: bool | None
) -> None:
    now = ServerLoad(devices, ingest, planned, newcomers, can_serve)
    if refusal_reason(now) is not None:
        assert refusal_reason(replace(now, devices=devices + 0.1)) is not None
        assert refusal_reason(replace(now, ingest=ingest + 0.1)) is not None
        assert refusal_reason(replace(now, newcomers=newcomers + 1)) is not None


def _problem(gpus: int, *budgets_ms: float) -> Problem:
    variants = (
        ProblemVariant("small", 0.3, (4.0, 6.0)),
        ProblemVariant("large", 0.6, (20.0, 36.0)),
    )
    clients = tuple(ProblemClient(str(n), 10.0, (ms, ms)) for n, ms in enumerate(budgets_ms))
    return Problem(gpus, variants, clients)


def test_the_least_load_is_of_the_cheapest_that_each_can_wait_for() -> None:
    assert minimum_load(_problem(1)) == 0.0
    assert minimum_load(_problem(1, 100.0)) == pytest.approx(0.03)  # small, in twos
    assert minimum_load(_problem(1, 10.0)) == pytest.approx(0.04)  # small, alone
    assert minimum_load(_problem(1, 1.0)) == pytest.approx(0.04)  # tried alone, in vain
    assert minimum_load(_problem(2, 100.0, 100.0)) == pytest.approx(0.03)
    assert minimum_load(_problem(0)) == 0.0
    assert math.isinf(minimum_load(_problem(0, 100.0)))
