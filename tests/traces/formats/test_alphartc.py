"""AlphaRTC's JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.traces.formats.files import check_refused, file
from traces import read


def test_steps_have_rate_delay_jitter_and_loss(tmp_path: Path) -> None:
    steps = [
        {"capacity": 300, "duration": 200, "rtt": 40, "jitter": 2, "loss": 0.1},
        {"capacity": 0, "duration": 0, "rtt": 1, "jitter": 1, "loss": 0},
        {"capacity": 0, "duration": 100, "rtt": 60, "jitter": 3, "loss": 0},
    ]
    content = json.dumps({"uplink": {"trace_pattern": steps}})
    trace = read(file(tmp_path, "a.json", content))
    assert trace.duration_ms == 300.0
    assert trace.step_at(0.0) == (300e3, 20.0, 2.0, 0.1)
    assert trace.step_at(250.0) == (0.0, 30.0, 3.0, 0.0)


def test_spikes_are_cut_and_noted(tmp_path: Path) -> None:
    steps = [{"capacity": 2_000 + i, "duration": 200} for i in range(99)]
    steps.append({"capacity": 8_039_999, "duration": 200})
    path = file(tmp_path, "a.json", json.dumps({"uplink": {"trace_pattern": steps}}))
    trace = read(path)
    assert 6e6 < trace.rate_bps.max() < 7e6
    assert trace.notes[0].startswith("1 spikes cut")
    assert read(path, clip=0).rate_bps.max() == 8_039_999e3


@pytest.mark.parametrize(
    ("name", "content", "where", "rule"),
    [
        ("a.json", '{"uplink": {', "a.json:1", "JSON"),
        ("a.json", '{"uplink": {}}', "a.json:1", "no uplink.trace_pattern"),
        ("a.json", '{"uplink": {"trace_pattern": []}}', "a.json:1", "has no step"),
        (
            "a.json",
            '{"uplink": {"trace_pattern": [{"duration": 1, "capacity": -1}]}}',
            "trace_pattern[0].capacity",
            "a number from 0",
        ),
    ],
)
def test_a_mistake_is_refused_by_line_and_rule(
    tmp_path: Path, name: str, content: str, where: str, rule: str
) -> None:
    check_refused(tmp_path, name, content, where, rule)
