"""A session's JSON, as the admin API sends it."""

from __future__ import annotations

import json

from edge.adaptation.hint_controller import Hint
from edge.scheduling.assignment import Pins
from edge.session.view import LatencyQuantiles, SessionView


def test_a_view_is_json_with_the_contract_s_names() -> None:
    view = SessionView(
        name="abcdef",
        label="gate",
        state="live",
        age_s=3.5,
        slo_ms=100.0,
        pins=Pins("yolov4-tiny-416", 320),
        size=(416, 234),
        latency=LatencyQuantiles(30.0, 80.0),
        legs={"network": LatencyQuantiles(20.0, 60.0)},
        outcomes={"in_time": 5},
        hint=Hint(1, 416, 15.0, 900_000, "yolov4-tiny-416", "link carries 1 Mbit/s"),
        packets={"packets": 9},
    )
    sent = json.loads(json.dumps(view.to_json()))
    assert sent["pins"] == {"variant": "yolov4-tiny-416", "edge": 320}
    assert sent["latency"] == {"p50_ms": 30.0, "p99_ms": 80.0}
    assert sent["legs"] == {"network": {"p50_ms": 20.0, "p99_ms": 60.0}}
    assert sent["hint"]["max_edge"] == 416
    assert sent["size"] == [416, 234]
    assert sent["outcomes"] == {"in_time": 5}


def test_what_has_not_been_measured_is_null() -> None:
    view = SessionView(name="a", label="", state="connecting", age_s=0.0, slo_ms=100.0)
    sent = view.to_json()
    assert sent["latency"] is sent["hint"] is sent["size"] is sent["link_bps"] is None
    assert sent["pins"] == {"variant": None, "edge": None}
    assert sent["legs"] == {}
