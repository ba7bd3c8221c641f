"""Every frame of every source ends once: served, lost, or superseded."""

from __future__ import annotations

import random

import pytest

from edge.rtc.jitter.frames import EncodedFrame, JitterBufferOutput
from edge.rtc.sources.frame_ledger import UNSERVED_MS, FrameLedger

LAYER, OFFSET = 2, 500  # a source that stamps the captures of source 1 with an offset


def _capture(ssrc: int, rtp: int) -> tuple[int, int]:
    return (1, rtp - OFFSET) if ssrc == LAYER else (ssrc, rtp)


def _frame(rtp: int) -> EncodedFrame:
    return EncodedFrame(rtp, b"", keyframe=False, first_packet_ms=0.0, received_ms=0.0)


def _served(ledger: FrameLedger, ssrc: int, rtp: int, now_ms: float) -> bool:
    """Whether a frame of the served source has an end of its own."""
    output = JitterBufferOutput(decodable=[_frame(rtp)])
    ledger.settle(ssrc, output, now_ms)
    return not output.decodable[0].repeated


@pytest.fixture
def ledger() -> FrameLedger:
    return FrameLedger(_capture)


def test_what_is_not_served_is_superseded_once(ledger: FrameLedger) -> None:
    for _ in range(3):
        ledger.unserved(3, 7000, 100.0)
        ledger.unserved(3, 8000, 101.0)
    assert ledger.superseded(100.0 + UNSERVED_MS) == [7000]
    ledger.unserved(3, 7000, 1200.0)  # a straggler
    assert ledger.superseded(5000.0) == [8000]


def test_a_layer_of_a_served_capture_is_no_frame(ledger: FrameLedger) -> None:
    ledger.unserved(LAYER, 7000 + OFFSET, 100.0)
    ledger.served(1, 7000, 103.0)
    assert _served(ledger, 1, 7000, 104.0)
    ledger.unserved(LAYER, 8000 + OFFSET, 166.0)  # only this layer has it
    assert ledger.superseded(3000.0) == [8000 + OFFSET]


def test_a_layer_is_no_frame_however_late_that_is_looked_at(ledger: FrameLedger) -> None:
    """A server that stood still for seconds."""
    ledger.unserved(LAYER, 7000 + OFFSET, 100.0)
    ledger.served(1, 7000, 103.0)
    assert ledger.superseded(9000.0) == []


def test_a_timestamp_that_comes_again_much_later_is_another_frame(ledger: FrameLedger) -> None:
    ledger.served(1, 7000, 103.0)
    ledger.unserved(3, 7000, 9000.0)
    assert ledger.superseded(9000.0 + UNSERVED_MS) == [7000]


def test_after_a_change_of_layer_no_capture_ends_again(ledger: FrameLedger) -> None:
    ledger.served(1, 7000, 100.0)
    assert _served(ledger, 1, 7000, 101.0)
    ledger.served(LAYER, 7000 + OFFSET, 110.0)
    assert not _served(ledger, LAYER, 7000 + OFFSET, 111.0)
    lost = JitterBufferOutput(lost=[7000 + OFFSET, 8000 + OFFSET])
    ledger.settle(LAYER, lost, 112.0)
    assert lost.lost == [7000 + OFFSET, 8000 + OFFSET]  # again in its own stream: other frames


def test_a_frame_that_was_superseded_has_its_end(ledger: FrameLedger) -> None:
    ledger.unserved(3, 7000, 100.0)
    assert ledger.superseded(1200.0) == [7000]
    ledger.served(3, 7000, 1300.0)
    assert not _served(ledger, 3, 7000, 1301.0)


def test_a_timestamp_of_two_sources_that_are_not_served_is_one_frame(ledger: FrameLedger) -> None:
    ledger.unserved(3, 7000, 100.0)
    ledger.unserved(4, 7000, 101.0)
    assert ledger.superseded(1200.0) == [7000]


def test_as_a_session_ends_nothing_is_waited_for(ledger: FrameLedger) -> None:
    ledger.unserved(3, 7000, 100.0)
    assert ledger.superseded(101.0, wait_ms=0.0) == [7000]


def test_a_flood_is_bounded_and_counted(ledger: FrameLedger) -> None:
    chance, ended = random.Random(1), []
    frames = {(chance.getrandbits(32), chance.getrandbits(32)) for _ in range(20_000)}
    for at_ms, (ssrc, rtp) in enumerate(sorted(frames)):
        ledger.unserved(ssrc, rtp, at_ms / 100.0)
        ended += ledger.superseded(at_ms / 100.0)
    kept = (ledger._seen, ledger._pending, ledger._ended, ledger._superseded, ledger._served)
    assert all(len(each) <= 512 for each in kept)
    ended += ledger.superseded(10_000.0)
    assert sorted(ended) == sorted({rtp for _, rtp in frames})
