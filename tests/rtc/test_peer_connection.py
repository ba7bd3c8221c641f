"""A peer against a real publisher: pictures, losses, messages, bad offers, and its end."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiortc import RTCPeerConnection, RTCSessionDescription

from edge.base.clock import now_ms
from edge.rtc.data_channels import MAX_BUFFERED, MAX_CHANNELS
from edge.rtc.peer_connection import SdpError
from edge.rtc.rtp import ABS_CAPTURE_TIME, TRANSPORT_CC, RtpPacket
from edge.rtc.sdp import MAX_MESSAGE_BYTES, read_candidates
from edge.rtc.transport import aiortc_adapter
from tests.rtc.publishing import Publisher, Watcher


@asynccontextmanager
async def connected(
    codec: str = "VP8", size: tuple[int, int] = (160, 120), **options: Any
) -> AsyncIterator[tuple[Watcher, Publisher]]:
    watcher, publisher = Watcher(**options), Publisher(codec, size)
    try:
        await watcher.connect(publisher)
        yield watcher, publisher
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_every_picture_comes_with_its_own_timestamp(codec: str) -> None:
    async with connected(codec) as (watcher, publisher):
        await watcher.until(lambda: len(watcher.frames) >= 20)
        for frame in watcher.frames:
            assert frame.rtp in publisher.sent
            assert (frame.width, frame.height) == (160, 120)
            assert frame.captured_ms <= frame.received_ms <= frame.decoded_ms
        rtps = [frame.rtp for frame in watcher.frames]
        assert len(set(rtps)) == len(rtps)
        assert watcher.frames[0].image.key_frame
        assert not [reason for _, reason in watcher.lost if reason != "superseded"]
        assert watcher.peer.suppressed_errors == 0
        assert (
            watcher.peer.estimator.capacity_bps is None or watcher.peer.estimator.capacity_bps > 0
        )
        assert watcher.states[:2] == ["connecting", "connected"]


async def test_tapped_datagrams_include_media() -> None:
    async with connected() as (watcher, _):
        seen: list[int] = []
        connection = watcher.peer._connection
        assert connection is not None
        aiortc_adapter.tap_datagrams(connection, lambda data, at_ms: seen.append(data[0]))
        before = len(watcher.frames)
        await watcher.until(lambda: len(watcher.frames) >= before + 5)
        assert sum(127 < first < 192 for first in seen) >= 5


async def test_capture_times_come_from_sender_reports_and_pings() -> None:
    def ping(label: str, message: str | bytes) -> None:
        assert label == "control"
        watcher.peer.clock.observe_ping(float(message), now_ms())

    async with connected(on_message=ping) as (watcher, publisher):
        await publisher.opened("control")
        publisher.channels["control"].send(repr(time.time() * 1000.0))
        # aiortc's sender makes its first report after 0.5 to 1.5 s.
        await watcher.until(lambda: watcher.clock_sources.count("report") >= 5)
        for frame, source in zip(watcher.frames, watcher.clock_sources, strict=True):
            if source != "report":
                continue
            # aiortc reports when it sent a picture, not when it was taken: never too early.
            assert publisher.taken_ms[frame.rtp] - 1.0 <= frame.captured_ms
            assert frame.captured_ms <= frame.received_ms


async def test_a_ping_by_a_clock_that_is_nonsense_costs_nothing() -> None:
    async with connected() as (watcher, _):
        watcher.peer.clock.observe_ping(1000.0, 1000.0)
        await watcher.until(lambda: len(watcher.frames) >= 5)
        assert set(watcher.clock_sources) == {"delay"}
        assert all(frame.captured_ms <= frame.received_ms for frame in watcher.frames)


async def test_a_packet_lost_once_comes_again() -> None:
    async with connected(size=(640, 480), slo_ms=2000.0) as (watcher, publisher):
        await watcher.until(lambda: len(watcher.frames) >= 5)
        dropped: list[RtpPacket] = []

        def drop(packet: RtpPacket, again: bool) -> bool:
            if not again and len(dropped) < 10 and packet.sequence % 7 == 0:
                dropped.append(packet)
                return True
            return False

        publisher.drop = drop
        await watcher.until(lambda: len(watcher.frames) >= 5 and len(dropped) == 10)
        done = len(watcher.frames)
        await watcher.until(lambda: len(watcher.frames) >= done + 10)
        assert not [rtp for rtp, reason in watcher.lost if reason == "lost"]
        assert watcher.peer.counts.keyframe_requests == 0
        accounted = {frame.rtp for frame in watcher.frames} | {rtp for rtp, _ in watcher.lost}
        assert {packet.timestamp for packet in dropped} <= accounted


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_a_packet_lost_for_good_is_skipped_with_a_key_frame(codec: str) -> None:
    async with connected(codec, size=(640, 480)) as (watcher, publisher):
        await watcher.until(lambda: len(watcher.frames) >= 5)
        victim: list[RtpPacket] = []

        def drop(packet: RtpPacket, again: bool) -> bool:
            if again:
                return bool(victim)  # no retransmission helps
            if not victim and not packet.marker:
                victim.append(packet)
            return bool(victim) and packet.sequence == victim[0].sequence

        publisher.drop = drop
        await watcher.until(lambda: any(reason == "lost" for _, reason in watcher.lost))
        publisher.drop = lambda packet, again: False
        await watcher.until(lambda: (victim[0].timestamp, "lost") in watcher.lost)
        before = len(watcher.frames)
        await watcher.until(lambda: len(watcher.frames) > before + 5)
        assert any(frame.image.key_frame for frame in watcher.frames[1:])
        assert watcher.peer.counts.keyframe_requests >= 1
        assert victim[0].timestamp not in {frame.rtp for frame in watcher.frames}
        ended = [frame.rtp for frame in watcher.frames] + [rtp for rtp, _ in watcher.lost]
        assert len(set(ended)) == len(ended)  # each in one count
        assert watcher.peer.suppressed_errors == 0


async def test_a_key_frame_can_be_demanded() -> None:
    async with connected() as (watcher, _):
        await watcher.until(lambda: len(watcher.frames) >= 5)
        watcher.peer.request_keyframe()
        before = len(watcher.frames)
        await watcher.until(lambda: len(watcher.frames) > before)
        assert watcher.frames[before].image.key_frame


async def test_sizes_change_in_mid_stream() -> None:
    async with connected() as (watcher, publisher):
        for size in ((160, 120), (16, 16), (322, 178), (98, 66)):
            publisher.camera.size = size
            await watcher.until(
                lambda size=size: (  # type: ignore[misc]
                    bool(watcher.frames)
                    and (watcher.frames[-1].width, watcher.frames[-1].height) == size
                )
            )
        assert watcher.peer.suppressed_errors == 0


async def test_pictures_over_the_cap_are_dropped_and_smaller_ones_follow() -> None:
    async with connected(size=(320, 240), max_pixels=200 * 200) as (watcher, publisher):
        await watcher.until(lambda: "too_large" in {reason for _, reason in watcher.lost})
        assert not watcher.frames
        publisher.camera.size = (160, 120)
        await watcher.until(lambda: len(watcher.frames) >= 3)


async def test_messages_go_both_ways() -> None:
    async with connected() as (watcher, publisher):
        await watcher.until(lambda: set(watcher.channels) == {"control", "results"})
        await publisher.opened("control")
        publisher.channels["control"].send('{"type": "hello"}')
        publisher.channels["control"].send(b"\x00\xff")
        await watcher.until(lambda: len(watcher.messages) == 2)
        assert watcher.messages == [("control", '{"type": "hello"}'), ("control", b"\x00\xff")]
        assert watcher.peer.send("results", "boxes")
        assert watcher.peer.send("control", "welcome")
        await watcher.until(lambda: len(publisher.messages) == 2, publisher.news)
        assert set(publisher.messages) == {("results", "boxes"), ("control", "welcome")}


async def test_a_message_that_would_queue_is_not_sent() -> None:
    async with connected() as (watcher, _):
        assert not watcher.peer.send("results", "too early")
        await watcher.until(lambda: "results" in watcher.channels)
        assert not watcher.peer.send("unknown", "text")
        text = "x" * 8000
        sent = 0
        while watcher.peer.send("results", text):
            sent += 1
        assert 1 <= sent <= MAX_BUFFERED // len(text) + 2


async def test_channels_are_bounded() -> None:
    async with connected() as (watcher, publisher):
        await watcher.until(lambda: len(watcher.channels) == 2)
        extra = [publisher.connection.createDataChannel(f"x{n}") for n in range(MAX_CHANNELS + 3)]
        closed = asyncio.Event()
        extra[-1].on("close", closed.set)
        async with asyncio.timeout(60):
            await closed.wait()
        assert len(watcher.channels) == MAX_CHANNELS


@pytest.mark.parametrize("callback", ["on_frame", "on_message", "on_channel", "on_state"])
async def test_a_failing_session_does_not_end_the_connection(callback: str) -> None:
    calls: list[object] = []
    again = asyncio.Event()

    def fail(*arguments: object) -> None:
        calls.append(arguments)
        again.set()
        raise RuntimeError("the session has a bug")

    failing: dict[str, Any] = {callback: fail}
    async with connected(**failing) as (watcher, publisher):
        if callback == "on_message":
            await publisher.opened("control")
            for text in ("one", "two"):
                publisher.channels["control"].send(text)
        await watcher.until(lambda: len(calls) >= 2, again)
        assert watcher.peer.suppressed_errors >= 2
        publisher.connection.on("connectionstatechange", again.set)
        await watcher.until(lambda: publisher.connection.connectionState == "connected", again)


async def test_strange_datagrams_are_not_heeded() -> None:
    async with connected() as (watcher, publisher):
        await watcher.until(lambda: len(watcher.frames) >= 3)
        answer = publisher.connection.remoteDescription.sdp
        targets = [c for c in read_candidates(answer) if ":" not in c.address]
        assert targets
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            for candidate in targets:
                for data in (b"", b"\x80", b"\x80" * 1400, b"\x80\xc8" * 700, b"\x16" * 9000, b"x"):
                    stranger.sendto(data, (candidate.address, candidate.port))
        before = len(watcher.frames)
        await watcher.until(lambda: len(watcher.frames) >= before + 5)
        assert watcher.peer.suppressed_errors == 0


async def test_candidates_may_trickle_or_stay_hidden() -> None:
    watcher, publisher = Watcher(), Publisher()
    try:
        offer = await publisher.offer()
        name = "0a1b2c3d-0000-4000-8000-000000000000.local"
        hidden = f"a=candidate:1 1 udp 2113937151 {name} 5000 typ host"
        lines = [hidden if line.startswith("a=candidate:") else line for line in offer.splitlines()]
        answer = await watcher.peer.answer("\r\n".join(lines) + "\r\n")
        await watcher.peer.add_candidates(f"a=mid:0\r\n{hidden}\r\na=end-of-candidates\r\n")
        await publisher.accept(answer)
        await watcher.until(lambda: len(watcher.frames) >= 3)  # found by the publisher's checks
        with pytest.raises(SdpError):
            await watcher.peer.add_candidates("nothing of the kind")
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


async def test_an_ice_restart_is_refused_and_the_session_goes_on() -> None:
    async with connected() as (watcher, publisher):
        sdp = publisher.connection.localDescription.sdp
        own = next(line for line in sdp.splitlines() if line.startswith("a=ice-ufrag:"))
        end = "a=mid:0\r\na=end-of-candidates\r\n"
        await watcher.peer.add_candidates(f"{own}\r\na=ice-pwd:x\r\n{end}")
        await watcher.peer.add_candidates(end)  # one that has none is of the session there is
        for fragment in (
            f"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n{end}",
            "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n",
            f"m=video 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:EsAw\r\n{end}",
        ):
            with pytest.raises(SdpError) as refused:
                await watcher.peer.add_candidates(fragment)
            assert refused.value.code == "ice_restart"
        await watcher.until(lambda: len(watcher.frames) >= 3)


async def test_audio_stays_silent_and_extensions_are_answered() -> None:
    watcher, publisher = Watcher(), Publisher()
    try:
        publisher.connection.addTransceiver("audio", direction="sendonly")
        offer = await publisher.offer()
        offer = offer.replace("a=mid:0", f"a=extmap:9 {ABS_CAPTURE_TIME}\r\na=mid:0")
        answer = await watcher.peer.answer(offer)
        assert f"a=extmap:9 {ABS_CAPTURE_TIME}" in answer
        assert "abs-send-time" in answer
        sections = answer.split("m=")[1:]
        assert [section.split()[0] for section in sections] == ["video", "audio", "application"]
        assert "a=recvonly" in sections[0]
        assert "goog-remb" in sections[0]
        assert "a=inactive" in sections[1]
        await publisher.accept(answer)
        await watcher.until(lambda: len(watcher.frames) >= 3)
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


async def test_vp8_is_preferred_and_what_is_not_understood_refused() -> None:
    watcher, publisher = Watcher(), RTCPeerConnection()
    try:
        publisher.addTransceiver("video", direction="sendonly")
        publisher.addTransceiver("audio", direction="sendonly")
        await publisher.setLocalDescription(await publisher.createOffer())
        offer = publisher.localDescription.sdp
        # H264 first; audio in a codec that nobody here knows.
        offer = offer.replace("VP8/90000", "X/90000").replace("H264/90000", "VP8/90000", 1)
        for name in ("opus/48000/2", "PCMU/8000", "PCMA/8000", "G722/8000"):
            offer = offer.replace(name, "unknown/48000/2")
        answer = await watcher.peer.answer(offer)
        sections = answer.split("m=")[1:]
        assert sections[0].split("a=rtpmap:")[1].split()[1] == "VP8/90000"
        assert sections[1].startswith("audio 0 ")
        with pytest.raises(SdpError):
            await watcher.peer.answer(offer)  # once only
    finally:
        await watcher.peer.close()
        await publisher.close()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda sdp: "", "bad_sdp"),
        (lambda sdp: "garbage", "bad_sdp"),
        (lambda sdp: sdp + "a=x\r\n" * 300_000, "sdp_too_large"),
        (lambda sdp: sdp.replace("m=video", "m=audio"), "no_video"),
        (lambda sdp: sdp.replace("VP8", "VP7"), "no_codec"),
        (lambda sdp: sdp.replace("a=rtpmap:97", "a=rtpmap:x"), "no_codec"),
        (lambda sdp: sdp.replace("a=setup:actpass", "a=setup:maybe"), "bad_sdp"),
        (lambda sdp: sdp.replace("VP8/90000", "H264/8000"), "no_codec"),
    ],
)
async def test_bad_offers_are_refused_and_leave_nothing(change: Any, code: str) -> None:
    publisher = Publisher()
    offer = change(await publisher.offer())
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    watcher = Watcher()
    with pytest.raises(SdpError) as refused:
        await watcher.peer.answer(offer)
    assert refused.value.code == code
    assert str(refused.value)
    await watcher.peer.close()
    assert len(asyncio.all_tasks()) <= tasks
    assert threading.active_count() == threads
    await publisher.connection.close()


async def test_closing_leaves_no_task_thread_or_socket_and_is_silent() -> None:
    async with connected() as (watcher, _):
        await watcher.until(lambda: bool(watcher.frames))
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    descriptors = _descriptors()
    for _ in range(3):
        async with connected() as (watcher, _):
            await watcher.until(lambda watcher=watcher: len(watcher.frames) >= 2)  # type: ignore[misc]
            closing = asyncio.ensure_future(watcher.peer.close())
            await watcher.peer.close()  # twice is no harm
            await closing
            before = (len(watcher.frames), len(watcher.lost), len(watcher.states))
            assert not watcher.peer.send("results", "text")
            watcher.peer.request_keyframe()
        assert before == (len(watcher.frames), len(watcher.lost), len(watcher.states))
    await asyncio.sleep(0)  # finished tasks are taken off the loop's list by its next turn
    assert len(asyncio.all_tasks()) <= tasks
    assert threading.active_count() <= threads
    assert _descriptors() <= descriptors


@pytest.mark.parametrize("stage", ["new", "answered", "connecting"])
async def test_closing_early_completes(stage: str) -> None:
    watcher, publisher = Watcher(), Publisher()
    tasks, threads = len(asyncio.all_tasks()), threading.active_count()
    if stage != "new":
        answer = await watcher.peer.answer(await publisher.offer())
        if stage == "connecting":
            await publisher.accept(answer)
    async with asyncio.timeout(10):
        await watcher.peer.close()
    await publisher.connection.close()
    assert threading.active_count() == threads
    assert len(asyncio.all_tasks()) <= tasks + 1
    with pytest.raises(SdpError):
        await watcher.peer.answer("v=0")


async def test_a_publisher_that_leaves_changes_the_state() -> None:
    async with connected() as (watcher, publisher):
        await watcher.until(lambda: bool(watcher.frames))
        await publisher.connection.close()
        await watcher.until(lambda: "closed" in watcher.states)


async def test_another_peer_is_not_disturbed() -> None:
    async with connected() as (first, _), connected() as (second, other):
        await second.until(lambda: len(second.frames) >= 2)
        await other.opened("control")
        other.channels["control"].send("x" * MAX_MESSAGE_BYTES)
        await first.until(lambda: len(first.frames) >= 5)
        assert first.peer.suppressed_errors == 0


async def test_a_real_answer_is_accepted_by_a_strict_reader() -> None:
    watcher, publisher = Watcher(), Publisher()
    try:
        answer = await watcher.peer.answer(await publisher.offer())
        RTCSessionDescription(answer, "answer")
        assert answer.startswith("v=0\r\n")
        assert answer.endswith("\r\n")
        assert "\n\n" not in answer
        assert "stun" not in answer
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


@pytest.mark.parametrize("rate_control", ["receiver", "transport-cc"])
async def test_transport_wide_feedback_is_promised_only_where_it_is_asked_for(
    rate_control: str,
) -> None:
    watcher, publisher = Watcher(rate_control=rate_control), Publisher()
    try:
        lines = []
        for line in (await publisher.offer()).splitlines():
            lines.append(line)
            if line.startswith("a=rtpmap:97 VP8"):
                lines += ["a=rtcp-fb:97 transport-cc", f"a=extmap:9 {TRANSPORT_CC}"]
        answer = await watcher.peer.answer("\r\n".join(lines) + "\r\n")
    finally:
        await watcher.peer.close()
        await publisher.connection.close()
    wide = rate_control == "transport-cc"
    assert ("a=rtcp-fb:97 transport-cc" in answer) is wide
    assert (f"a=extmap:9 {TRANSPORT_CC}" in answer) is wide
    assert ("a=rtcp-fb:97 goog-remb" in answer) is not wide
