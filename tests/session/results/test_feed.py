"""The feed: what readers get, in which order, and what a slow one misses."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

import pytest

from edge.session.control.control_messages import message
from edge.session.results import feed as feed_module
from edge.session.results.feed import HISTORY, QUEUE, READERS, Event, FeedFilter, ResultFeed
from edge.session.results.result_streams import TooManyStreamsError

ALL = FeedFilter()


def answer(rtp: int, *classes: str) -> str:
    return message(
        "detections", rtp=rtp, boxes=[[name, 0.9, 0.1, 0.1, 0.2, 0.2] for name in classes]
    )


def taken(queue: asyncio.Queue[Event | None]) -> list[dict[str, Any]]:
    events = []
    while not queue.empty():
        event = queue.get_nowait()
        assert event is not None
        events.append(json.loads(event.text))
        assert events[-1]["event"] == event.id
    return events


def test_messages_have_their_sessions_name_and_label() -> None:
    feed = ResultFeed()
    with feed.open(ALL) as queue:
        feed.put("abc", 'door "1"', answer(7, "person"))
        feed.put("def", "", message("dropped", rtp=8, reason="late"))
        first, second = taken(queue)
    assert (first["session"], first["label"], first["rtp"]) == ("abc", 'door "1"', 7)
    assert (second["session"], second["type"], second["reason"]) == ("def", "dropped", "late")
    assert "skipped" not in first


def test_a_publishers_secret_stays_its_own() -> None:
    feed = ResultFeed()
    with feed.open(ALL) as queue:
        feed.put("abc", "", message("welcome", session="abc-the-whole-id"))
        assert queue.empty()


@pytest.mark.parametrize(
    ("wanted", "rtps"),
    [
        (FeedFilter(session="abc"), [1, 3]),
        (FeedFilter(label="door"), [1, 2]),
        (FeedFilter(session="abc", label="door"), [1]),
        (FeedFilter(session="nobody"), []),
    ],
)
def test_readers_choose(wanted: FeedFilter, rtps: list[int]) -> None:
    feed = ResultFeed()
    with feed.open(wanted) as queue:
        feed.put("abc", "door", answer(1))
        feed.put("def", "door", answer(2))
        feed.put("abc", "yard", answer(3))
        assert [each["rtp"] for each in taken(queue)] == rtps


def test_boxes_of_other_classes_are_left_out_and_the_message_stays() -> None:
    feed = ResultFeed()
    with feed.open(FeedFilter(classes=frozenset({"car"}))) as queue:
        feed.put("abc", "", answer(1, "person", "car"))
        feed.put("abc", "", answer(2, "person"))
        assert [[box[0] for box in each["boxes"]] for each in taken(queue)] == [["car"], []]


def test_a_reader_that_comes_back_continues_after_its_last_event() -> None:
    feed = ResultFeed()
    with feed.open(ALL) as queue:
        feed.put("abc", "", answer(1))
        feed.put("abc", "", answer(2))
        first, _ = taken(queue)
    feed.put("abc", "", answer(3))
    with feed.open(ALL, first["event"]) as queue:
        feed.put("abc", "", answer(4))
        assert [each["rtp"] for each in taken(queue)] == [2, 3, 4]


@pytest.mark.parametrize("digits", ["9" * 20, "9" * 5000, "0" * 5000, "\u0663" * 5000])
def test_an_event_with_a_number_of_any_length_is_taken(digits: str) -> None:
    feed = ResultFeed()
    feed.put("abc", "", answer(1))
    with feed.open(ALL, "x") as queue:
        [event] = taken(queue)
    with feed.open(ALL, event["event"].partition("-")[0] + "-" + digits) as queue:
        assert taken(queue) == [event]  # none of ours: all that is kept


@pytest.mark.parametrize("after", ["otherboot-17", "nonsense", "-", ""])
def test_an_event_of_another_server_gives_all_that_is_kept(after: str) -> None:
    feed = ResultFeed()
    for rtp in range(HISTORY + 2):
        feed.put("abc", "", answer(rtp))
    with feed.open(FeedFilter(), after) as queue:
        events = taken(queue)
    assert [each["rtp"] for each in events] == list(range(HISTORY + 2 - QUEUE, HISTORY + 2))


def test_without_an_event_only_what_comes_is_sent() -> None:
    feed = ResultFeed()
    feed.put("abc", "", answer(1))
    with feed.open(ALL) as queue:
        assert queue.empty()


def test_a_slow_reader_loses_the_oldest_and_learns_how_many() -> None:
    feed = ResultFeed()
    with feed.open(ALL) as slow, feed.open(ALL) as quick:
        for rtp in range(QUEUE + 3):
            feed.put("abc", "", answer(rtp))
            assert len(taken(quick)) == 1
        events = taken(slow)
    assert [each["rtp"] for each in events] == list(range(3, QUEUE + 3))
    assert events[-1]["skipped"] == 3
    assert feed.skipped == 3


def test_readers_are_bounded_and_their_places_are_free_again() -> None:
    feed = ResultFeed()
    opened = [feed.open(ALL) for _ in range(READERS)]
    for each in opened:
        each.__enter__()
    with pytest.raises(TooManyStreamsError), feed.open(ALL):
        pass
    for each in opened:
        each.__exit__(None, None, None)
    with feed.open(ALL):
        assert len(feed) == 1


def test_the_end_is_told_to_readers_present_and_to_come() -> None:
    feed = ResultFeed()
    with feed.open(ALL) as queue:
        feed.end()
        assert queue.get_nowait() is None
    with feed.open(ALL) as queue:
        assert queue.get_nowait() is None


def _counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that were filtered."""
    filtered: list[str] = []
    only = feed_module._only

    def counting(text: str, classes: frozenset[str]) -> str:
        filtered.append(text)
        return only(text, classes)

    monkeypatch.setattr(feed_module, "_only", counting)
    return filtered


def test_a_message_is_filtered_once_for_all_readers_of_the_same_classes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At 100 boxes it takes a third of a millisecond: 32 readers' would take ten for each frame."""
    filtered = _counted(monkeypatch)
    feed = ResultFeed()
    with contextlib.ExitStack() as stack:
        queues = [
            stack.enter_context(feed.open(FeedFilter(classes=frozenset({"person"}))))
            for _ in range(READERS)
        ]
        feed.put("abc", "", answer(7, "person", "dog"))
        for queue in queues:
            [message] = taken(queue)
            assert [box[0] for box in message["boxes"]] == ["person"]
    assert len(filtered) == 1


def test_what_a_reader_that_comes_back_could_not_get_is_not_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    filtered = _counted(monkeypatch)
    feed = ResultFeed()
    for rtp in range(HISTORY):
        feed.put("abc", "", answer(rtp, "person"))
    with feed.open(FeedFilter(classes=frozenset({"person"})), "earlier-1") as queue:
        messages = taken(queue)
    assert [each["rtp"] for each in messages] == list(range(HISTORY - QUEUE, HISTORY))
    assert {each["skipped"] for each in messages} == {HISTORY - QUEUE}
    assert len(filtered) == QUEUE


def test_events_are_chosen_by_type_and_by_the_class_of_the_thing() -> None:
    feed = ResultFeed()
    wanted = FeedFilter(types=frozenset({"zone_entered", "rule_on"}), classes=frozenset({"car"}))
    with feed.open(wanted) as queue, feed.open(FeedFilter(session="abc")) as everything:
        feed.put("abc", "", answer(1, "car"))
        feed.put("abc", "", message("zone_entered", **{"zone": "yard", "class": "person"}))
        feed.put("abc", "", message("zone_entered", **{"zone": "yard", "class": "car"}))
        feed.put("abc", "", message("zone_left", **{"zone": "yard", "class": "car"}))
        feed.put("abc", "", message("rule_on", rule="crowd"))
        feed.put("abc", "", message("bye", code="ended"))
        assert [each["type"] for each in taken(queue)] == ["zone_entered", "rule_on", "bye"]
        assert everything.qsize() == 7  # and the end
