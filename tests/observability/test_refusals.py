"""Refused sessions: counted whole, logged within bounds, and safe to show."""

from __future__ import annotations

import logging

import pytest

from edge.observability.refusals import KEPT, LINES_PER_MINUTE, MESSAGE_CHARS, Refusal, Refusals

LOGGER = "edge.observability.refusals"


def _lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    return [record.__dict__["event"] for record in caplog.records if record.name == LOGGER]


def _refusal(reason: str = "busy", at_s: float = 60_000.0, **values: str) -> Refusal:
    return Refusal(at_s=at_s, reason=reason, message=values.pop("message", "no room"), **values)


def test_each_is_logged_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    refusals = Refusals()
    refusals.add(_refusal(address="192.0.2.1", label="gate", token="yard"))
    refusals.add(_refusal("bad_sdp"))
    first, second = _lines(caplog)
    assert (first["event"], first["reason"]) == ("session_refused", "busy")
    assert (first["message"], first["address"], first["label"], first["token"]) == (
        "no room",
        "192.0.2.1",
        "gate",
        "yard",
    )
    assert second == {"event": "session_refused", "reason": "bad_sdp", "message": "no room"}


def test_a_flood_fills_neither_log_nor_memory_and_is_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    refusals = Refusals()
    for _ in range(10_000):
        refusals.add(_refusal("too_many"))
    refusals.add(_refusal("busy"))  # another reason has lines of its own
    assert len(_lines(caplog)) == LINES_PER_MINUTE + 1
    assert refusals.counts == {"too_many": 10_000, "busy": 1}
    assert len(refusals.latest()) == KEPT
    refusals.add(_refusal("too_many", at_s=60_060.0))
    assert _lines(caplog)[-1]["unlogged"] == 10_000 - LINES_PER_MINUTE


def test_the_last_ten_minutes_are_counted_apart() -> None:
    refusals = Refusals()
    for minute in range(30):
        refusals.add(_refusal(at_s=60.0 * minute))
    assert refusals.recent(29 * 60.0) == {"busy": 10}
    assert refusals.recent(35 * 60.0) == {"busy": 4}
    assert refusals.recent(60 * 60.0) == {}
    assert refusals.counts == {"busy": 30}


def test_what_anybody_sent_is_shown_in_bounds(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    refusals = Refusals()
    refusals.add(_refusal(label="a\nevent=login\x1b[2J" + 5_000 * "x", message=5_000 * "y"))
    [latest] = refusals.latest()
    assert latest["label"].startswith("a?event=login?[2J")
    assert len(latest["label"]) < 100
    assert len(latest["message"]) == MESSAGE_CHARS
    assert "\n" not in caplog.records[-1].getMessage()


def test_the_newest_comes_first() -> None:
    refusals = Refusals()
    refusals.add(_refusal("full", at_s=1.0))
    refusals.add(_refusal("busy", at_s=2.0, session="abcdef"))
    assert [(each["reason"], each["session"]) for each in refusals.latest()] == [
        ("busy", "abcdef"),
        ("full", None),
    ]
