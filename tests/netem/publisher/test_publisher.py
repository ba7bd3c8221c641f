"""The light publisher against a server in the same process, over real ICE, DTLS and SRTP."""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from edge.client.clocks import EPOCH_MS
from edge.client.whip_client import PublishError
from edge.rtc.peer_connection import PeerConnection
from edge.server import Server
from edge.session.control.control_messages import message
from edge.session.session import Session
from netem.footage.encoded_clip import EncodedClip
from netem.publisher import command
from netem.publisher.publisher import LightPublisher, publishing
from tests.serving import base, local, serving

FPS = 20


@pytest.fixture(scope="module")
def clip() -> EncodedClip:
    made = EncodedClip(fps=FPS, long_sides=(128, 192), bits=(0.1, 0.6), seconds=2.0)
    made.prepare()
    return made


@asynccontextmanager
async def streaming(
    clip: EncodedClip, slo_ms: float = 1000.0
) -> AsyncIterator[tuple[Server, Session, LightPublisher]]:
    """A server, its one session, and the publisher at its other end, with answers coming."""
    async with serving() as server, publishing(base(server), clip, slo_ms=slo_ms, label="me") as me:
        await me.wait_for(lambda it: it.stats().in_time >= 2)
        [session] = local(server)
        yield server, session, me


def hint(session: Session, monkeypatch: pytest.MonkeyPatch, seq: int, **fields: object) -> None:
    """A hint of the test's own; the server keeps its hints to itself from now on."""
    usual = {"max_edge": 608, "fps": FPS, "max_bps": 10_000_000, "variant": "v", "reason": "test"}
    text = message("hint", seq=seq, **{**usual, **fields})
    peer = session.peer
    monkeypatch.setattr(
        peer,
        "send",
        lambda label, text: '"hint"' in text or PeerConnection.send(peer, label, text),
    )
    PeerConnection.send(peer, "control", text)


async def test_each_frame_has_its_answer_and_its_source(
    clip: EncodedClip, capsys: pytest.CaptureFixture[str]
) -> None:
    async with streaming(clip) as (_, session, me):
        await me.wait_for(lambda it: it.stats().in_time >= 20)
        await me.wait_for(lambda _: session._available_bps)
        assert (session.id, session.label, session.slo_ms) == (me.session, "me", 1000.0)
        assert session.size == me.sent_size == clip.size(192)
    stats = me.stats()
    assert stats.pending == 0
    assert stats.captured == stats.in_time + stats.late + stats.unanswered + sum(
        stats.dropped.values()
    )
    sources = [frame.source for frame in me.outcomes.frames]
    begin = clip.sources.index(sources[0])
    assert sources == [clip.sources[(begin + i) % clip.ticks] for i in range(len(sources))]
    for frame in me.outcomes.frames:
        if frame.outcome == "in_time":
            assert frame.sent_ms is not None
            assert frame.t is not None
            assert frame.latency_ms is not None
            assert frame.captured_ms <= frame.sent_ms <= frame.captured_ms + frame.latency_ms
    # One machine, one monotonic clock: the two ends' times can be compared.
    for frame in [each for each in me.outcomes.frames if each.t is not None][-3:]:
        assert frame.t is not None
        captured_ms = frame.captured_ms - EPOCH_MS
        assert frame.t["captured"] == pytest.approx(captured_ms, abs=25.0)
    assert me.outcomes.frames[0].keyframe
    assert me.reason == "stopped"
    command.show([me])
    assert "me" in capsys.readouterr().out
    written = json.loads(json.dumps(command.record(me)))
    assert [frame["source"] for frame in written["frames"]] == sources
    assert written["stats"]["in_time"] == stats.in_time


async def test_a_hint_changes_the_size_that_arrives(
    clip: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(clip) as (_, session, me):
        hint(session, monkeypatch, 901, max_edge=150)
        await me.wait_for(lambda it: it.sent_long_side == 128 and session.size == clip.size(128))
        assert me.hint is not None
        assert me.hints[-1].seq == 901
    first = next(frame for frame in me.outcomes.frames if frame.size == clip.size(128))
    assert first.keyframe
    assert me.changes[-1].at_ms == first.captured_ms
    assert clip.sources.index(first.source) % clip.step == 0


async def test_a_hint_caps_the_bits_and_the_frames(
    clip: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(clip) as (_, session, me):
        hint(session, monkeypatch, 902, max_bps=clip.bps(me.changes[-1].rendition) / 2, fps=FPS / 2)
        await me.wait_for(lambda it: it.stats().dropped.get("paced", 0) >= 3)
        hint(session, monkeypatch, 903, max_bps=100_000, fps=FPS)
        await me.wait_for(lambda it: it.changes[-1].rendition.bits == 0.1)
    paced = [frame.tick for frame in me.outcomes.frames if frame.outcome == "paced"]
    # A busy machine leaves frames out as well (`encoder`); at half the rate, never two in a row.
    assert min(after - before for before, after in itertools.pairwise(paced)) == 2


async def test_a_picture_loss_is_answered_by_a_key_frame(clip: EncodedClip) -> None:
    async with streaming(clip) as (_, session, me):
        before = sum(frame.keyframe for frame in me.outcomes.frames)
        session.peer.request_keyframe()
        await me.wait_for(lambda it: it.stats().keyframes_asked >= 1)
        asked = len(me.outcomes.frames)
        await me.wait_for(lambda it: sum(f.keyframe for f in it.outcomes.frames) > before)
        answered = me.stats().in_time
        await me.wait_for(lambda it: it.stats().in_time > answered)
        # Counted in frames that were sent: a busy machine leaves some out.
        sent = [frame for frame in me.outcomes.frames[asked:] if frame.bytes]
        assert [frame.keyframe for frame in sent].index(True) <= clip.step


async def test_a_lost_packet_is_sent_again(
    clip: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(clip) as (_, _session, me):
        send = me._connection.send
        lost: list[bytes] = []

        def lossy(packet: bytes) -> bool:
            if len(packet) > 100 and not lost:
                lost.append(packet)
                return True  # as a network loses it
            return send(packet)

        monkeypatch.setattr(me._connection, "send", lossy)
        await me.wait_for(lambda it: lost and it.stats().resent >= 1)
        rtp = int.from_bytes(lost[0][4:8], "big")
        [frame] = [each for each in me.outcomes.frames if each.rtp == rtp]
        await me.wait_for(lambda _: frame.outcome is not None)
        assert frame.outcome in ("in_time", "superseded")  # it came, if behind the next


async def test_a_server_that_stops_gives_its_reason(clip: EncodedClip) -> None:
    async with streaming(clip) as (server, _, me):
        await server.stop()
        await me.wait_for(lambda it: it.reason)
        assert str(me.reason).startswith("draining: ")
        with pytest.raises(PublishError, match="draining"):
            await me.wait_for(lambda it: False)
    assert me.stats().pending == 0


async def test_a_silent_server_is_given_up(
    clip: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(clip) as (_, _session, me):
        monkeypatch.setattr("edge.client.publisher.SILENT_MS", -1.0)
        assert "silent" in await me.ended()


async def test_a_refusal_has_the_servers_reason(clip: EncodedClip) -> None:
    async with serving(token="hush") as server:
        with pytest.raises(PublishError, match=r"401: .*bearer"):
            async with publishing(base(server), clip):
                pass
    with pytest.raises(PublishError, match=base(server)):
        async with publishing(base(server), clip):
            pass


async def test_nothing_is_left_running(clip: EncodedClip) -> None:
    before = asyncio.all_tasks()
    with pytest.raises(KeyError):
        async with streaming(clip):
            raise KeyError
    assert asyncio.all_tasks() == before


async def test_one_that_is_refused_comes_again_if_asked(
    clip: EncodedClip, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """First by an offer's refusal, then by the loss of its session; the end is its own."""
    monkeypatch.setattr("edge.api.whip.RETRY_AFTER_S", 0)
    parser = argparse.ArgumentParser()
    command.add(parser)
    refused, answered = asyncio.Event(), asyncio.Event()
    async with serving() as server:
        monkeypatch.setattr(server._refusals, "add", lambda refusal: refused.set())
        monkeypatch.setattr(server._metrics, "answered", lambda *_: answered.set())
        server.sessions.drain()
        options = parser.parse_args([base(server), "--retry", "--label", "me"])
        running = asyncio.create_task(command._publish(options, clip, asyncio.Event()))
        async with asyncio.timeout(120):
            await refused.wait()
            server.sessions.drain(False)
            first = await _answered(server, answered)
            await server.sessions.close(first, "no frame", "timeout")
            second = await _answered(server, answered)
            assert second.id != first.id
            await server.sessions.close(second, "ended by the operator")  # that is final
            publishers, failures = await running
    assert [each.label for each in publishers] == ["me", "me"]
    assert failures == ["me: ended: ended by the operator"]
    assert "the server takes no newcomers for now; again in" in capsys.readouterr().err


async def _answered(server: Server, answered: asyncio.Event) -> Session:
    """The one session, once its publisher has got an answer: its channels are open."""
    answered.clear()
    while not server.sessions.connected:
        await answered.wait()
        answered.clear()
    await answered.wait()
    [session] = server.sessions.connected
    assert isinstance(session, Session)
    return session


async def test_one_that_is_refused_is_over_unless_asked(clip: EncodedClip) -> None:
    parser = argparse.ArgumentParser()
    command.add(parser)
    async with serving() as server:
        server.sessions.drain()
        async with asyncio.timeout(60):
            publishers, failures = await command._publish(
                parser.parse_args([base(server)]), clip, asyncio.Event()
            )
    assert publishers == []
    [failure] = failures
    assert "the server takes no newcomers" in failure


async def test_a_session_that_the_server_has_no_more_ends_at_once(
    clip: EncodedClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with streaming(clip, slo_ms=5000.0) as (server, session, me):
        # As if its node had died, and the one at its address did not know the session.
        monkeypatch.setattr(session.peer, "send", lambda *_: False)
        monkeypatch.delitem(server.sessions._sessions, session.id)
        try:
            assert await me.ended() == "the server does not have the session any more"
        finally:
            monkeypatch.undo()  # so that the server ends it
        assert not me.final
