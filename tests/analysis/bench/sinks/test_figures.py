"""What became of events: counted by the server, by the receiver, and compared."""

from __future__ import annotations

import pytest

from analysis.bench.sinks.figures import Phase, Receipt, SinkOutcome, promises


def outcome(sink: str = "webhook", /, **counts: int) -> SinkOutcome:
    fields: dict[str, int] = {
        "sent": 90,
        "lost": 10,
        "failures": 3,
        "arrived": 90,
        "twice": 0,
        "told": 10,
    }
    return SinkOutcome(sink, **{**fields, **counts})


def phase(name: str, missed: int) -> Phase:
    return Phase(name, 10.0, 1000, missed, 10.0, 20.0, 0.1, {})


QUIET = [phase("without sinks, before", 2), phase("dead", 6), phase("without sinks, after", 0)]


def kept(outcomes: list[SinkOutcome], phases: list[Phase], events: int = 100) -> list[bool | None]:
    return [each.kept for each in promises(outcomes, phases, events)]


def test_events_gaps_and_batches_are_counted() -> None:
    receipt = Receipt()
    receipt.take({"type": "detections", "event": "a-1"})
    receipt.take({"type": "detections", "event": "a-1"})
    receipt.take({"type": "gap", "dropped": 3, "dropped_total": 3})
    receipt.take({"dropped": 2, "dropped_total": 5, "events": [{"event": "a-7"}]})
    assert (receipt.arrived, receipt.twice, receipt.told) == (2, 1, 5)
    shown = {"name": "hook", "sent": 2, "lost": 5, "failures": 1}
    assert SinkOutcome.of(shown, receipt).events == 7


def test_all_is_kept_where_losses_are_told() -> None:
    assert kept([outcome(), outcome("jsonl")], QUIET) == [True] * 6


@pytest.mark.parametrize(
    ("counts", "broken"),
    [({"told": 9}, [1, 2]), ({"arrived": 89}, [2]), ({"sent": 80, "arrived": 80}, [0])],
)
def test_an_event_that_is_neither_here_nor_told_breaks_a_promise(
    counts: dict[str, int], broken: list[int]
) -> None:
    found = kept([outcome(**counts)], QUIET)
    assert [number for number, each in enumerate(found) if each is False] == broken


def test_a_broker_may_take_confirmed_events_with_it_but_tells_losses() -> None:
    assert kept([outcome("mqtt", arrived=88)], QUIET) == [True, True, None, True]
    assert kept([outcome("mqtt", told=0)], QUIET)[1] is False


def test_misses_are_compared_with_those_without_sinks() -> None:
    assert kept([outcome()], [*QUIET[:1], phase("dead", 8), QUIET[2]])[-1] is False
    assert kept([outcome()], [phase("without sinks", 50), phase("dead", 54)])[-1] is True
