"""Which results a sink gets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.sinks.event_filter import EventFilter, ResultMessage
from tests.sinks.parts import BYE, detections


def message(text: str, label: str = "gate", session: str = "abc") -> ResultMessage:
    return ResultMessage(session, label, text, 1000.0)


PERSON, CAR = ("person", 0.9), ("car", 0.4)


@pytest.mark.parametrize(
    ("wanted", "boxes"),
    [
        ({}, [PERSON, CAR]),
        ({"classes": ["car"]}, [CAR]),
        ({"min_score": 0.5}, [PERSON]),
        ({"classes": ["car"], "min_score": 0.5}, []),
        ({"classes": ["car"], "min_score": 0.5, "empty": False}, None),
        ({"labels": ["yard"]}, None),
        ({"labels": ["yard", "gate"]}, [PERSON, CAR]),
        ({"models": ["yolov4"]}, None),
        ({"models": ["yolov4-tiny"]}, [PERSON, CAR]),
        ({"types": ["dropped"]}, None),
    ],
)
def test_filters(wanted: dict[str, Any], boxes: list[tuple[str, float]] | None) -> None:
    text = EventFilter(**wanted).apply(message(detections(PERSON, CAR)), 0.0)
    found = None if text is None else [tuple(box[:2]) for box in json.loads(text)["boxes"]]
    assert found == boxes


def test_an_unfiltered_message_is_passed_on_as_it_is() -> None:
    text = detections(PERSON)
    assert EventFilter(classes=["person"], min_score=0.5).apply(message(text), 0.0) is text


def test_frames_without_boxes_are_left_out_if_wished() -> None:
    assert EventFilter(empty=False).apply(message(detections()), 0.0) is None
    assert EventFilter().apply(message(detections()), 0.0) is not None


def test_a_welcome_holds_the_publishers_secret_and_goes_to_nobody() -> None:
    assert not message('{"type":"welcome","session":"secret"}').kind
    assert EventFilter().apply(message('{"type":"welcome","session":"secret"}'), 0.0) is None


def test_a_sessions_frames_are_thinned_to_a_rate_and_counted() -> None:
    thin = EventFilter(max_per_s=5.0)
    # 15 frames a second for 10 s, each a little early or late
    times = [number / 15.0 + 0.01 * (number % 3 - 1) for number in range(150)]
    passed = [thin.apply(message(detections(PERSON)), each) is not None for each in times]
    assert 49 <= sum(passed) <= 51
    assert thin.thinned == 150 - sum(passed)


def test_sessions_are_thinned_apart_and_an_end_always_passes() -> None:
    thin = EventFilter(max_per_s=1.0)
    assert thin.apply(message(detections(), session="a"), 0.0)
    assert thin.apply(message(detections(), session="b"), 0.0)
    assert not thin.apply(message(detections(), session="a"), 0.5)
    assert thin.apply(message(BYE, session="a"), 0.6)


def test_a_silence_saves_no_rate_up() -> None:
    thin = EventFilter(max_per_s=1.0)
    times = [0.0, 100.0, 100.1, 100.2, 100.9]
    assert sum(thin.apply(message(detections()), each) is not None for each in times) <= 3


@pytest.mark.parametrize(
    ("wanted", "kinds"),
    [
        ({}, ["zone_entered", "rule_on"]),
        ({"types": ["rule_on"]}, ["rule_on"]),
        ({"classes": ["car"]}, ["rule_on"]),
        ({"classes": ["person"]}, ["zone_entered", "rule_on"]),
        ({"labels": ["yard"]}, []),
        ({"max_per_s": 0.001, "empty": False, "min_score": 0.9}, ["zone_entered", "rule_on"]),
    ],
)
def test_events_of_zones_and_rules(wanted: dict[str, Any], kinds: list[str]) -> None:
    texts = [
        '{"type":"zone_entered","zone":"a","track":1,"class":"person"}',
        '{"type":"rule_on","rule":"b"}',
    ]
    chosen = EventFilter(**wanted)
    sent = [chosen.apply(message(text), 0.0) for text in texts]
    assert [json.loads(text)["type"] for text in sent if text is not None] == kinds
