"""Transport-wide feedback, read back as a sender would."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.bwe.twcc import TICK_MS, PacketArrivals
from tests.rtc.twcc_feedback import parse


def _reported(arrivals: PacketArrivals) -> dict[int, float | None]:
    """The arrivals that the next messages report, by number."""
    reported: dict[int, float | None] = {}
    while (message := arrivals.feedback(1, 2)) is not None:
        assert len(message) % 4 == 0
        assert int.from_bytes(message[2:4], "big") == len(message) // 4 - 1
        feedback = parse(message)
        assert feedback is not None
        assert feedback.arrivals_ms
        for index, ms in enumerate(feedback.arrivals_ms):
            reported[(feedback.first + index) & 0xFFFF] = ms
    return reported


def test_nothing_came_nothing_is_reported() -> None:
    assert PacketArrivals().feedback(1, 2) is None


def test_a_message_byte_by_byte() -> None:
    arrivals = PacketArrivals()
    arrivals.add(10, 640.0)
    arrivals.add(12, 641.0)
    message = arrivals.feedback(0x01020304, 0x05060708)
    assert message == bytes.fromhex(
        "8fcd 0005"  # format 15, transport feedback, six words
        "01020304 05060708"
        "000a 0003"  # from 10, three packets
        "00000a 00"  # 10 x 64 ms, first message
        "d100"  # a vector: small, lost, small
        "00 04"  # deltas in quarters of a ms
    )


def test_a_loss_is_reported_once_and_is_final() -> None:
    arrivals = PacketArrivals()
    for number in (1, 2, 5):
        arrivals.add(number, 1000.0 + number)
    assert _reported(arrivals) == {1: 1001.0, 2: 1002.0, 3: None, 4: None, 5: 1005.0}
    arrivals.add(3, 1020.0)
    assert arrivals.feedback(1, 2) is None
    arrivals.add(8, 1030.0)
    assert _reported(arrivals) == {6: None, 7: None, 8: 1030.0}


def test_a_long_run_and_a_long_pause() -> None:
    arrivals = PacketArrivals()
    for number in range(300):
        arrivals.add(number, 5.0 * number + (20_000.0 if number >= 200 else 0.0))
    reported = _reported(arrivals)
    assert len(reported) == 300
    assert reported[199] == pytest.approx(995.0)
    assert reported[200] == pytest.approx(21_000.0)  # in another message: too far for a delta


@given(
    st.integers(0, 0xFFFF),
    st.lists(st.tuples(st.integers(1, 40), st.floats(-20.0, 300.0)), min_size=1, max_size=60),
)
def test_arrivals_are_reported_to_a_quarter_millisecond(
    first: int, steps: list[tuple[int, float]]
) -> None:
    arrivals = PacketArrivals()
    number, now_ms = first, 50_000.0
    expected = {}
    for ahead, ms in steps:
        now_ms += ms
        expected[number & 0xFFFF] = now_ms
        arrivals.add(number & 0xFFFF, now_ms)
        number += ahead
    reported = _reported(arrivals)
    for sequence, ms in list(expected.items())[-20:]:
        if sequence in reported:
            assert reported[sequence] == pytest.approx(ms, abs=TICK_MS)
    assert reported[list(expected)[-1]] is not None


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.floats(0.0, 1e9)), max_size=200))
def test_any_numbers_at_any_times_stay_bounded(packets: list[tuple[int, float]]) -> None:
    arrivals = PacketArrivals()
    for number, ms in packets:
        arrivals.add(number, ms)
        message = arrivals.feedback(1, 2)
        assert message is None or len(message) < 1400
    assert len(arrivals._arrived) <= 1000


@given(st.binary(max_size=200))
def test_any_bytes_can_be_read(data: bytes) -> None:
    parse(b"\x8f\xcd" + data)
