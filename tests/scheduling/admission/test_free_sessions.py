"""The number of free sessions: what admission would do, one newcomer after the other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.scheduling import controller as controller_module
from edge.scheduling.admission.admission_control import ServerLoad, refusal_reason
from edge.scheduling.admission.free_sessions import (
    FreeBounds,
    FreeSessionsSearch,
    SessionCost,
    free_bounds,
)
from edge.scheduling.controller import Controller
from tests.planning import device
from tests.scheduling.test_controller import CountingSolver, FakeSession, controller

USUAL = SessionCost(devices=0.2, ingest=0.04)
EMPTY = ServerLoad(devices=0.0, ingest=0.0, planned=0, newcomers=0)


def _load(devices: float, ingest: float, planned: int, newcomers: int = 0) -> ServerLoad:
    return ServerLoad(devices, ingest, planned, newcomers)


@pytest.mark.parametrize(
    ("load", "loops", "places", "expected"),
    [
        # Each takes a sixteenth of the devices; from half of them on the scheduler is asked.
        (_load(0.25, 0.05, 4), [0.05], 60, FreeBounds(4, 10, "devices")),
        # Each takes a sixteenth of a core: 13 fit into 0.85 of it, twice as many into two cores.
        (_load(0.001, 0.125, 2), [0.125], 60, FreeBounds(11, 11, "stream")),
        (_load(0.001, 0.125, 4), [0.125, 0.125], 60, FreeBounds(24, 24, "stream")),
        (_load(0.001, 0.001, 2), [0.001], 5, FreeBounds(5, 5, None)),
        (_load(0.9, 0.1, 9), [0.1], 5, FreeBounds(0, 0, "devices")),
        # None is measured: as usual. The first is always admitted.
        (EMPTY, [0.0], 60, FreeBounds(3, 4, "devices")),
        # One has joined since the plan: it counts, too.
        (_load(0.25, 0.05, 4, newcomers=1), [0.05], 60, FreeBounds(3, 9, "devices")),
    ],
)
def test_sums_of_load_bound_it(
    load: ServerLoad, loops: list[float], places: int, expected: FreeBounds
) -> None:
    bounds = free_bounds(load, loops, places, USUAL)
    assert (bounds.unasked, bounds.most) == (expected.unasked, expected.most)
    assert (bounds.limit is None) == (expected.limit is None)
    assert (expected.limit or "") in (bounds.limit or "")


@given(
    st.floats(0.0, 2.0),
    st.floats(0.0, 1.0),
    st.integers(0, 40),
    st.integers(0, 5),
    st.integers(0, 64),
)
def test_it_is_never_more_than_the_places_and_none_where_one_is_refused(
    devices: float, ingest: float, planned: int, newcomers: int, places: int
) -> None:
    load = _load(devices, ingest, planned, newcomers)
    bounds = free_bounds(load, [ingest], places, USUAL)
    assert 0 <= bounds.unasked <= bounds.most <= places
    if refusal_reason(ServerLoad(devices, ingest, planned, 0)) is not None and not newcomers:
        assert bounds.most == 0


def _settled(search: FreeSessionsSearch, fits: Callable[[int], bool], probes: int = 30) -> int:
    """The value after so many probes, of which admission itself answers the one for 1."""
    for _ in range(probes):
        search.answer(1, fits(1))
        if (number := search.next_probe()) is not None:
            assert number > 1
            search.answer(number, fits(number))
    return search.value


@given(st.integers(0, 20), st.integers(0, 64), st.integers(0, 64), st.integers(0, 64))
def test_the_search_finds_what_fits_and_follows_it(
    unasked: int, more: int, first: int, then: int
) -> None:
    search, most = FreeSessionsSearch(), unasked + more
    search.update(FreeBounds(unasked, most, "full"), present=3)
    for fitting in (first, then):
        found = _settled(search, lambda number, fitting=fitting: number <= fitting)  # type: ignore[misc]
        assert found == min(most, max(unasked, fitting))


def test_it_tells_what_is_used_up() -> None:
    search = FreeSessionsSearch()
    search.update(FreeBounds(0, 9, "the devices could not serve one more in time"), present=1)
    _settled(search, lambda number: number <= 4)
    assert (search.value, search.limit) == (4, "the scheduler finds no room for one more")
    _settled(search, lambda number: True)
    assert (search.value, search.limit) == (9, "the devices could not serve one more in time")


def test_one_that_joins_takes_its_place_at_once() -> None:
    search = FreeSessionsSearch()
    search.update(FreeBounds(0, 20, None), present=1)
    _settled(search, lambda number: number <= 8)
    search.update(FreeBounds(0, 19, None), present=2)
    assert search.value == 7
    search.update(FreeBounds(0, 22, None), present=0)
    assert search.value == 9
    search.update(FreeBounds(0, 3, None), present=0)
    assert search.value == 3


def test_it_asks_for_nothing_where_sums_decide() -> None:
    search = FreeSessionsSearch()
    search.update(FreeBounds(12, 12, "a core"), present=1)
    assert (search.value, search.next_probe()) == (12, None)


async def _settle(control: Controller, sessions: list[FakeSession], places: int) -> int:
    """The estimate after plans enough for the search to end."""
    for _ in range(14):
        await control.decide()
        control.free_sessions.update(_bounds(control, sessions, places), len(sessions))
    return control.free_sessions.value


def _bounds(control: Controller, sessions: list[FakeSession], places: int) -> FreeBounds:
    load = ServerLoad(control.minimum_load, 0.0, len(sessions), 0)
    return free_bounds(load, [0.0], places, SessionCost(control.usual_load or 0.0, 0.0))


@pytest.mark.parametrize("budget_ms", [40.0, 80.0])
async def test_as_many_are_admitted_as_were_estimated(
    budget_ms: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sessions like the first join one by one, each asked for by the rule of admission."""
    monkeypatch.setattr(controller_module, "PROBE_PERIOD_MS", 0.0)
    solver = CountingSolver()
    try:
        sessions = [FakeSession("0", fps=15.0, budget_ms=budget_ms)]
        control = controller(sessions, [device(ms_at_608=120.0)], solver)
        estimated = await _settle(control, sessions, 60)
        assert 1 < estimated < 60
        admitted = 0
        while True:
            await control.decide()
            load = ServerLoad(
                control.minimum_load, 0.0, len(sessions), 0, control.can_serve_another
            )
            if refusal_reason(load) is not None:
                break
            admitted += 1
            sessions.append(FakeSession(str(admitted), fps=15.0, budget_ms=budget_ms))
        assert abs(admitted - estimated) <= 1
        assert await _settle(control, sessions, 60) == 0
    finally:
        solver.close()


async def test_the_scheduler_is_asked_at_most_once_a_second_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(controller_module, "now_ms", lambda: now)
    sessions, solver = [FakeSession("0", fps=15.0, budget_ms=40.0)], CountingSolver()
    control = controller(sessions, [device(ms_at_608=120.0)], solver)
    try:
        await control.decide()
        control.free_sessions.update(FreeBounds(0, 20, None), 1)
        now, before = 2_000.0, len(solver.problems)
        for _ in range(4):
            await control.decide()
            now += 200.0
        assert len(solver.problems) - before <= 4 + 4 + 1  # plans, admission's own, one of these
    finally:
        solver.close()
