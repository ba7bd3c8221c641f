"""What a session knows becomes a hint, and the variants that its frames may be served with."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.profile import Entry, Profile
from edge.session_hints import DECIDE_EVERY_MS, Demand, Link, SessionHints
from edge.variant import EDGES, Variant

UNKNOWN = Link(
    size=None,
    slo_ms=150.0,
    fps=15.0,
    left_ms=None,
    answered=False,
    left_for_network_ms=None,
    capacity_bps=None,
    available_bps=None,
    queue_ms=0.0,
    loss=0.0,
    network_ms=None,
)
FAST_LINK = replace(UNKNOWN, size=(608, 342), capacity_bps=50e6, left_ms=140.0, answered=True)


def _profile(ms_at_608: float) -> Profile:
    def ms(edge: int) -> float:
        return ms_at_608 * (edge / EDGES[-1]) ** 2

    return Profile(
        Entry(Variant("yolov4-tiny", edge).name, edge, edge, 1, ms(edge), ms(edge))
        for edge in EDGES
    )


def _hints(
    ms_at_608: float = 20.0,
    *,
    sessions: int = 1,
    devices: int = 1,
    edges: tuple[int, ...] = EDGES,
    max_bps: int = 4_000_000,
) -> SessionHints:
    profiles = [_profile(ms_at_608) for _ in range(devices)]
    demand = Demand(sessions, 15.0 * sessions)
    return SessionHints("yolov4-tiny", edges, profiles, lambda: demand, max_bps)


def test_the_first_hint_comes_at_once() -> None:
    hint = _hints().decide(UNKNOWN, 0.0)
    assert hint is not None
    assert hint.max_edge >= 416
    assert hint.fps == 15.0
    assert "not measured" in hint.reason


def test_devices_untried_by_the_session_are_trusted_with_part_of_its_budget() -> None:
    link = replace(FAST_LINK, left_ms=100.0)
    untried = _hints(ms_at_608=90.0).decide(replace(link, answered=False), 0.0)
    tried = _hints(ms_at_608=90.0).decide(link, 0.0)
    assert untried is not None
    assert tried is not None
    assert untried.max_edge < tried.max_edge


def test_decisions_keep_their_distance() -> None:
    hints = _hints()
    hints.decide(UNKNOWN, 0.0)
    slow = replace(FAST_LINK, capacity_bps=300e3)
    assert hints.decide(slow, DECIDE_EVERY_MS / 2) is None
    hint = hints.decide(slow, DECIDE_EVERY_MS)
    assert hint is not None
    assert hint.max_bps < 300e3


def test_a_hint_that_may_not_have_been_heard_is_said_again() -> None:
    hints = _hints()
    first = hints.decide(UNKNOWN, 0.0)
    assert hints.decide(UNKNOWN, 1000.0) is None
    hints.restate()
    assert hints.decide(UNKNOWN, 1001.0) == first


def test_bits_are_capped_by_the_operator() -> None:
    hints = _hints(max_bps=500_000)
    for step in range(100):
        hints.decide(FAST_LINK, step * DECIDE_EVERY_MS)
    assert hints.current is not None
    assert hints.current.max_bps == 500_000


@pytest.mark.parametrize(
    ("sessions", "devices", "least", "most"), [(1, 1, 608, 608), (8, 1, 256, 480), (8, 8, 608, 608)]
)
def test_the_devices_bound_the_size(sessions: int, devices: int, least: int, most: int) -> None:
    hints = _hints(sessions=sessions, devices=devices)
    for step in range(200):
        hints.decide(FAST_LINK, step * DECIDE_EVERY_MS)
    assert hints.current is not None
    assert least <= hints.current.max_edge <= most


def test_variants_go_down_from_the_hinted_one() -> None:
    hints = _hints()
    hint = hints.decide(FAST_LINK, 0.0)
    assert hint is not None
    names = hints.variants((1280, 720))
    assert names[0] == hint.variant
    assert [Variant.parse(name).edge for name in names] == sorted(
        (edge for edge in EDGES if edge <= Variant.parse(hint.variant).edge), reverse=True
    )


@pytest.mark.parametrize(
    ("size", "edges", "best"),
    [
        ((400, 225), EDGES, 416),  # a stride's padding is no enlargement
        ((225, 400), EDGES, 416),
        ((16, 16), EDGES, 128),
        ((320, 180), (416, 608), 416),
    ],
)
def test_small_pictures_are_not_enlarged(
    size: tuple[int, int], edges: tuple[int, ...], best: int
) -> None:
    hints = _hints(edges=edges)
    hints.decide(UNKNOWN, 0.0)
    assert hints.variants(size)[0] == Variant("yolov4-tiny", best).name


def test_an_urgent_question_is_answered_at_once() -> None:
    hints = _hints()
    hints.decide(FAST_LINK, 0.0)
    slow = replace(FAST_LINK, capacity_bps=300e3)
    assert hints.decide(slow, 10.0) is None
    hint = hints.decide(slow, 10.0, urgent=True)
    assert hint is not None
    assert hint.max_bps < 300e3


def test_where_the_publisher_controls_its_rate_the_hint_is_the_operators_cap() -> None:
    hints = _hints(max_bps=1_000_000)
    link = replace(FAST_LINK, capacity_bps=float("inf"))
    for step in range(50):
        hints.decide(link, step * DECIDE_EVERY_MS)
    assert hints.current is not None
    assert hints.current.max_bps == 1_000_000
