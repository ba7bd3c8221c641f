"""The sending side of a connection, before and without a server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from edge.client.connection import AnswerError, SenderConnection
from edge.rtc.rtp import ABS_CAPTURE_TIME
from netem.baseline.stock_receiver import StockReceiver


@pytest.fixture
async def connection() -> AsyncIterator[SenderConnection]:
    made = SenderConnection(
        on_rtcp=lambda packet: None,
        on_message=lambda label, text: None,
        on_open=lambda label: None,
        on_state=lambda state: None,
    )
    yield made
    await made.close()


async def test_the_offer_has_vp8_two_channels_and_capture_times(
    connection: SenderConnection,
) -> None:
    lines = (await connection.offer()).split("\r\n")
    extensions = [line for line in lines if line.startswith("a=extmap:")]
    assert sum(ABS_CAPTURE_TIME in line for line in extensions) == 1
    ids = [line.split()[0] for line in extensions]
    assert len(set(ids)) == len(ids)
    assert any("VP8/90000" in line for line in lines)
    assert not any("H264" in line for line in lines)
    assert any(line.startswith("m=application") for line in lines)


async def test_an_answer_gives_the_packets_parameters(connection: SenderConnection) -> None:
    receiver = StockReceiver(lambda frame, rtp, at_ms: None)
    try:
        packetiser = await connection.accept(await receiver.answer(await connection.offer()))
        [packet] = packetiser.frame(b"frame", 90_000, 0.0, droppable=False)
    finally:
        await receiver.close()
    assert int.from_bytes(packet[8:12], "big") == packetiser.ssrc
    assert packet[1] & 0x80  # the only packet of its frame


@pytest.mark.parametrize("answer", ["", "v=0\r\n", "nonsense"])
async def test_an_unusable_answer_is_refused(connection: SenderConnection, answer: str) -> None:
    await connection.offer()
    with pytest.raises(AnswerError, match="the answer"):
        await connection.accept(answer)


async def test_nothing_is_sent_before_the_connection_is_up(connection: SenderConnection) -> None:
    assert connection.send(bytes([0x80, 96]) + bytes(20)) is False
    assert connection.send_control("hello") is False
