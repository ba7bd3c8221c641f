"""MQTT topics and Home Assistant's sensors."""

from __future__ import annotations

import json

import pytest

from edge.sinks.mqtt import topics
from edge.sinks.mqtt.home_assistant import discovery, identifier
from edge.sinks.mqtt.label_counts import MAX_LABELS, LabelCounts


@pytest.mark.parametrize("label", ["a/b", "#", "+", "a+b/#", "$SYS", "status", "gap", "x\x00y"])
def test_a_label_reaches_its_own_topics_alone(label: str) -> None:
    found = [
        topics.results("edge", label, "abc"),
        topics.events("edge", label, "abc"),
        topics.label_status("edge", label),
        topics.label_counts("edge", label),
    ]
    for topic in found:
        assert topic.count("/") == 2
        assert not set("+#\x00") & set(topic)
        assert topic not in (topics.status("edge"), topics.gap("edge"))


def test_a_session_without_a_label_has_its_name() -> None:
    assert topics.results("edge", "", "abc") == "edge/abc/results"
    assert topics.events("edge", "", "abc") == "edge/abc/events"


def test_identifiers_are_plain_and_different() -> None:
    found = [identifier(each) for each in ("gate 1", "gate_1", "gate/1", "gate-1")]
    assert len(set(found)) == 4
    assert all(each.replace("_", "").replace("-", "").isalnum() for each in found)


def test_a_sensor_says_where_its_value_is() -> None:
    topic, payload = discovery("edge", "homeassistant", "gate", "traffic light")
    sensor = json.loads(payload)
    assert topic.startswith("homeassistant/sensor/edge_gate/traffic_light")
    assert topic.endswith("/config")
    assert sensor["state_topic"] == topics.label_counts("edge", "gate")
    assert sensor["value_template"] == '{{ value_json["traffic light"] }}'
    assert [each["topic"] for each in sensor["availability"]] == ["edge/status", "edge/gate/status"]


def test_counts_of_sessions_with_one_label_are_summed_and_end_with_them() -> None:
    counts = LabelCounts(["person", "car"])
    counts.update("gate", "a", ["person", "person", "dog"])
    counts.update("gate", "b", ["person", "car"])
    counts.update("", "c", ["person"])
    assert counts.counts("gate") == {"person": 3, "car": 1}
    assert counts.take_changed() == ["gate"]
    counts.update("gate", "b", ["car", "person"])
    assert counts.take_changed() == []  # the same counts
    counts.end("a")
    assert counts.counts("gate") == {"person": 1, "car": 1}
    assert counts.is_live("gate")
    counts.end("b")
    assert not counts.is_live("gate")
    assert counts.take_changed() == ["gate"]
    counts.change_all()
    assert counts.take_changed() == ["gate"]


def test_labels_are_bounded() -> None:
    counts = LabelCounts(["person"])
    for number in range(MAX_LABELS + 5):
        counts.update(f"label {number}", f"session {number}", ["person"])
    assert len([*counts.labels]) == MAX_LABELS
    assert counts.left_out == 5


def test_a_session_with_another_label_leaves_the_one_before() -> None:
    counts = LabelCounts(["person"])
    counts.update("dock", "a", ["person"])
    counts.update("gate", "a", ["person"])
    assert not counts.is_live("dock")
    assert counts.counts("dock") == {"person": 0}
    counts.end("a")
    assert not counts.is_live("gate")


def test_labels_without_sessions_keep_no_other_label_out() -> None:
    counts = LabelCounts(["person"])
    counts.update("gate", "honest", ["person"])
    for number in range(2 * MAX_LABELS):
        counts.update(f"label {number}", "restless", ["person"])
    counts.update("yard", "another", ["person"])
    assert counts.is_live("gate")
    assert counts.is_live("yard")
    assert len([*counts.labels]) <= MAX_LABELS
    assert counts.left_out == 0
