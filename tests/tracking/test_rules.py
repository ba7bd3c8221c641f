"""Rules over zones: for how long."""

from __future__ import annotations

from collections import Counter

from edge.tracking.rules import Rule
from edge.tracking.settings import RuleSettings


def rule(**more: object) -> Rule:
    values = {"name": "crowd", "zone": "square", "more_than": 5, **more}
    return Rule(RuleSettings.model_validate(values))


def told(rule: Rule, now_s: float, **count: int) -> list[str]:
    return [event.kind for event in rule.observe(now_s, Counter(count))]


def test_more_than_five_for_three_seconds() -> None:
    crowd = rule()
    assert told(crowd, 0.0, person=6) == []
    assert told(crowd, 2.9, person=7) == []
    [event] = crowd.observe(3.0, Counter(person=6))
    assert event.kind == "rule_on"
    assert event.fields == {"rule": "crowd", "zone": "square", "count": 6}
    assert told(crowd, 4.0, person=9) == []
    assert told(crowd, 5.0, person=5) == []
    [event] = crowd.observe(8.0, Counter(person=5))
    assert event.kind == "rule_off"
    assert event.fields == {"rule": "crowd", "zone": "square", "count": 5, "on_s": 5.0}


def test_a_moment_of_fewer_begins_the_time_anew() -> None:
    crowd = rule()
    told(crowd, 0.0, person=6)
    told(crowd, 2.0, person=5)
    assert told(crowd, 2.1, person=6) == []
    assert told(crowd, 5.0, person=6) == []
    assert told(crowd, 5.2, person=6) == ["rule_on"]


def test_off_has_a_time_of_its_own() -> None:
    crowd = rule(for_s=0, off_s=10)
    assert told(crowd, 0.0, person=6) == ["rule_on"]
    assert told(crowd, 1.0) == []
    assert told(crowd, 10.9) == []
    assert told(crowd, 11.0) == ["rule_off"]


def test_fewer_than() -> None:
    post = rule(more_than=None, fewer_than=1, for_s=2)
    assert told(post, 0.0) == []
    assert told(post, 2.0) == ["rule_on"]


def test_classes_are_added_up() -> None:
    wheels = rule(classes=["car", "bus"], more_than=1, for_s=0)
    assert told(wheels, 0.0, car=1, person=7) == []
    assert told(wheels, 1.0, car=1, bus=1) == ["rule_on"]


def test_it_ends_with_its_camera() -> None:
    crowd = rule(for_s=0)
    assert list(crowd.end(1.0)) == []
    told(crowd, 2.0, person=6)
    [event] = crowd.end(6.0)
    assert (event.kind, event.fields["why"], event.fields["on_s"]) == ("rule_off", "ended", 4.0)
    assert not crowd.on


def test_a_clock_that_is_set_back_delays_no_more_than_its_time() -> None:
    crowd = rule()
    told(crowd, 1000.0, person=6)
    told(crowd, 10.0, person=6)
    assert told(crowd, 13.0, person=6) == ["rule_on"]
