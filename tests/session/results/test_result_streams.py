"""Bounded queues of event streams."""

from __future__ import annotations

import asyncio

import pytest

from edge.session.results.result_streams import ResultStreams, TooManyStreamsError, put_newest


def _all(queue: asyncio.Queue[str | None]) -> list[str | None]:
    return [queue.get_nowait() for _ in range(queue.qsize())]


def test_a_stream_has_its_first_message_and_those_from_then_on() -> None:
    streams = ResultStreams()
    streams.put("before")
    with streams.open("welcome") as queue:
        streams.put("one")
        streams.end()
        assert _all(queue) == ["welcome", "one", None]


def test_all_streams_get_every_message() -> None:
    streams = ResultStreams()
    with streams.open("a") as first, streams.open("b") as second:
        streams.put("one")
        assert (_all(first), _all(second)) == (["a", "one"], ["b", "one"])


def test_a_slow_reader_loses_its_oldest_messages_alone() -> None:
    streams = ResultStreams(depth=2)
    with streams.open("first") as slow, streams.open("first") as fast:
        for number in range(3):
            _all(fast)
            streams.put(str(number))
        assert _all(slow) == ["1", "2"]
        assert _all(fast) == ["2"]
        streams.put("3")
        streams.put("4")
        streams.end()
        assert _all(slow) == ["4", None]  # the end is never lost


def test_a_stream_that_opens_after_the_end_ends_at_once() -> None:
    streams = ResultStreams()
    streams.end()
    with streams.open("bye") as queue:
        assert _all(queue) == ["bye", None]


def test_streams_are_limited_and_a_closed_one_makes_room() -> None:
    streams = ResultStreams(limit=1)
    with (
        streams.open("a"),
        pytest.raises(TooManyStreamsError, match="1 event streams"),
        streams.open("b"),
    ):
        pass
    assert len(streams) == 0
    with streams.open("c"):
        assert len(streams) == 1


def test_a_follower_hears_each_message_at_once_until_it_leaves() -> None:
    streams = ResultStreams()
    heard: list[str | None] = []
    leave = streams.follow("welcome", lambda text, _: heard.append(text))
    streams.put("one")
    assert heard == ["welcome", "one"]
    leave()
    streams.put("two")
    streams.end()
    assert heard == ["welcome", "one"]
    streams.follow("late", lambda text, _: heard.append(text))
    assert heard[2:] == ["late", None]


def test_followers_count_among_the_streams() -> None:
    streams = ResultStreams(limit=1)
    leave = streams.follow("a", lambda text, _: None)
    with pytest.raises(TooManyStreamsError):
        streams.follow("b", lambda text, _: None)
    with pytest.raises(TooManyStreamsError), streams.open("c"):
        pass
    leave()
    with streams.open("d"):
        assert len(streams) == 1


def test_a_follower_that_fails_costs_the_others_nothing() -> None:
    streams = ResultStreams()
    heard: list[str | None] = []

    def fail(text: str | None, skipped: int) -> None:
        raise ZeroDivisionError

    streams.follow("a", fail)
    streams.follow("a", lambda text, _: heard.append(text))
    streams.put("one")
    assert heard == ["a", "one"]


def test_put_newest_drops_the_oldest() -> None:
    queue: asyncio.Queue[str | None] = asyncio.Queue(1)
    put_newest(queue, "old")
    put_newest(queue, "new")
    assert _all(queue) == ["new"]
