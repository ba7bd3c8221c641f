"""Every frame ends in one count, and the counts add up."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from edge.client.frame_outcomes import FrameOutcomes, PublishedFrame, quantiles

T = {"captured": 5.0, "received": 20.0, "decoded": 21.0, "dispatched": 22.0, "sent": 40.0}


def sent(ledger: FrameOutcomes, tick: int, outcome: str | None = None) -> PublishedFrame:
    frame = PublishedFrame(tick, tick, rtp=tick, captured_ms=100.0 * tick, outcome=outcome)
    if outcome is None:
        frame.size, frame.bytes = (320, 180), 1000
    ledger.captured(frame)
    return frame


def answer(rtp: int, **fields: Any) -> dict[str, Any]:
    return {"rtp": rtp, "variant": "v", "batch": 2, "boxes": [], "t": T, **fields}


def test_an_answer_is_in_time_up_to_the_objective() -> None:
    ledger = FrameOutcomes(100.0)
    for tick, after_ms in enumerate((100.0, 100.1)):
        sent(ledger, tick)
        ledger.answered(answer(tick), 100.0 * tick + after_ms)
    assert [frame.outcome for frame in ledger.frames] == ["in_time", "late"]
    assert ledger.frames[0].latency_ms == 100.0
    assert ledger.frames[0].batch == 2


def test_a_late_frame_that_the_network_ate_is_infeasible() -> None:
    ledger = FrameOutcomes(100.0)
    for tick, received_ms in enumerate((104.0, 105.0)):
        sent(ledger, tick)
        ledger.answered(answer(tick, t={**T, "received": received_ms}), 1e4)
    assert [frame.infeasible for frame in ledger.frames] == [False, True]
    assert ledger.stats().infeasible == 1


def test_the_way_back_is_told_on_the_servers_clock() -> None:
    ledger = FrameOutcomes(100.0)
    sent(ledger, 0)
    ledger.answered(answer(0), now_ms=50.0, offset_ms=-7.0)
    assert ledger.report().back_ms == [3.0]
    assert ledger.report().back_ms == []


def test_a_frame_that_nobody_speaks_of_is_unanswered() -> None:
    ledger = FrameOutcomes(100.0)
    sent(ledger, 0)
    ledger.expire(1100.0)
    assert ledger.pending == 1
    ledger.expire(1101.0)
    assert ledger.frames[0].outcome == "unanswered"
    assert ledger.answered(answer(0), 1102.0) is None


@given(
    st.lists(st.sampled_from(["answer", "late", "drop", "skip", "forget", "again"]), max_size=40)
)
def test_counts_add_up(ends: list[str]) -> None:
    ledger = FrameOutcomes(50.0)
    for tick, end in enumerate(ends):
        sent(ledger, tick, outcome="paced" if end == "skip" else None)
        at_ms = 100.0 * tick + (60.0 if end == "late" else 10.0)
        if end in ("answer", "late", "again"):
            ledger.answered(answer(tick), at_ms)
        if end in ("drop", "again"):
            ledger.dropped({"rtp": tick, "reason": "overload", "infeasible": True})
    for close in (False, True):
        if close:
            ledger.close()
        stats = ledger.stats()
        assert (
            stats.captured
            == len(ends)
            == stats.in_time
            + stats.late
            + stats.unanswered
            + (stats.pending + sum(stats.dropped.values()))
        )
    assert stats.pending == 0
    assert stats.unanswered == ends.count("forget")
    assert stats.dropped.get("overload", 0) == ends.count("drop")
    assert stats.late == ends.count("late")


def test_who_publishes_for_long_forgets() -> None:
    ledger = FrameOutcomes(100.0)
    for tick in range(10):
        sent(ledger, tick, "encoder" if tick == 2 else None)
        ledger.answered(answer(tick), 100.0 * tick + 10.0)
    ledger.forget(450.0)
    assert [frame.tick for frame in ledger.frames] == [5, 6, 7, 8, 9]
    assert ledger.stats().in_time == 5
    ledger.forget(5000.0)
    assert (ledger.frames, ledger.stats().captured) == ([], 0)


def test_bits_are_a_second_of_capturing() -> None:
    ledger = FrameOutcomes(100.0)
    for tick in range(11):
        sent(ledger, tick)
    assert ledger.stats().sent_bps == 80_000.0
    assert FrameOutcomes(100.0).stats().sent_bps == 0.0


def test_quantiles() -> None:
    assert quantiles([]) == {}
    assert quantiles(list(range(1, 101))) == {"p50": 51, "p90": 91, "p99": 100}
