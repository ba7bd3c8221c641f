"""Messages between publisher and server."""

from __future__ import annotations

from edge.client.frame_outcomes import ReportInterval
from edge.client.messages import ReceivedHint, report


def test_a_hint_is_read_whatever_else_it_carries() -> None:
    fields = {"seq": 4, "max_edge": 320, "fps": 10.0, "max_bps": 5e5, "variant": "v", "reason": "r"}
    hint = ReceivedHint.read({"type": "hint", "later": 1, **fields}, 7.0)
    assert (hint.seq, hint.max_edge, hint.fps, hint.max_bps, hint.at_ms) == (4, 320, 10.0, 5e5, 7.0)


def test_a_report_has_the_interval_in_quantiles() -> None:
    interval = ReportInterval([float(ms) for ms in range(1, 101)], [3.0], late=2, sent=8)
    fields = report(interval, (320, 180), 1e6, 12.0)
    assert (fields["width"], fields["height"], fields["available_bps"]) == (320, 180, 1e6)
    assert fields["shown"] == {"n": 100, "late": 2, "p50_ms": 51.0, "p99_ms": 100.0}
    assert fields["back_ms"] == {"p50": 3.0, "p99": 3.0}


def test_a_report_without_answers_has_empty_fields() -> None:
    fields = report(ReportInterval(), (), None, None)
    assert (fields["width"], fields["height"], fields["rtt_ms"]) == (None, None, None)
    assert fields["shown"] == {"n": 0, "late": 0}
    assert fields["back_ms"] is None
