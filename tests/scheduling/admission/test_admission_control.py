"""A session is refused where it would overload the devices or the receiving processes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.scheduling.admission.admission_control import (
    OBJECTIVES_MS,
    ObjectiveSearch,
    Overload,
    ServerLoad,
    minimum_load,
    overload_of,
    refusal_reason,
)
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


NEAR = ServerLoad(devices=0.6, ingest=0.1, planned=8, newcomers=0, can_serve_another=True)
BOUNDED = replace(NEAR, unserved_slo_ms=100.0, served_slo_ms=250.0)
NO_ROOM = "the scheduler finds no room for one more"


@pytest.mark.parametrize(
    ("load", "slo_ms", "overload"),
    [
        (NEAR, 20.0, None),  # nothing is known yet
        (BOUNDED, 100.0, Overload(NO_ROOM, 250.0)),
        (BOUNDED, 60.0, Overload(NO_ROOM, 250.0)),
        (BOUNDED, 150.0, None),  # the average is served, and this one is not known not to be
        (BOUNDED, 250.0, None),
        (replace(BOUNDED, can_serve_another=False), 150.0, Overload(NO_ROOM, 250.0)),
        (replace(BOUNDED, can_serve_another=False), 250.0, None),
        (replace(BOUNDED, served_slo_ms=math.inf), 100.0, Overload(NO_ROOM)),
        # Without a question to the scheduler, what it said before is no matter.
        (replace(BOUNDED, can_serve_another=None), 100.0, None),
        # No objective helps against these.
        (
            replace(BOUNDED, devices=0.85),
            100.0,
            Overload("the devices could not serve one more in time"),
        ),
        (
            replace(BOUNDED, ingest=0.84),
            300.0,
            Overload("one more stream could not be taken in in time"),
        ),
        (replace(BOUNDED, newcomers=1), 100.0, Overload(NO_ROOM)),  # until the next plan
        (replace(IDLE, can_serve_another=False, unserved_slo_ms=1000.0), 100.0, None),
    ],
)
def test_an_objective_that_finds_no_room_is_refused_and_one_that_does_is_named(
    load: ServerLoad, slo_ms: float, overload: Overload | None
) -> None:
    assert overload_of(load, slo_ms) == overload


@given(st.floats(0, 1), st.integers(0, 3), st.floats(0, 1000), st.floats(1, 1000), st.booleans())
def test_the_objective_that_is_named_is_admitted(
    devices: float, newcomers: int, unserved_ms: float, slo_ms: float, average: bool
) -> None:
    load = ServerLoad(
        devices, 0.1, 8, newcomers, average, unserved_slo_ms=unserved_ms, served_slo_ms=1000.0
    )
    overload = overload_of(load, slo_ms)
    if overload is not None and overload.slo_ms is not None:
        assert overload.slo_ms > slo_ms
        assert overload_of(load, overload.slo_ms) is None


@given(
    st.lists(st.sampled_from([0.0, *OBJECTIVES_MS]), min_size=1, max_size=5),
    st.sampled_from([60.0, 100.0, 250.0, 2000.0]),
)
def test_the_search_finds_the_least_objective_and_follows_it(
    longest_unserved: list[float], average_ms: float
) -> None:
    search = ObjectiveSearch()
    for unserved_ms in longest_unserved:
        for _ in range(12):  # plans
            search.answer(average_ms, average_ms > unserved_ms)
            asked_ms = search.next_ms()
            assert asked_ms in OBJECTIVES_MS
            search.answer(asked_ms, asked_ms > unserved_ms)
        served = [each for each in (*OBJECTIVES_MS, average_ms) if each > unserved_ms]
        assert search.served_ms == min(served, default=math.inf)
        assert search.unserved_ms <= unserved_ms < search.served_ms


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
