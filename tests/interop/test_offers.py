"""Offers as cameras, encoders and proxies write them, with the connection that follows.

The publisher is aiortc's; what it offers is rewritten on the way, and the answer read as its own
offer's would be. That each picture comes is what shows that the answer was right.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from aiortc.mediastreams import AudioStreamTrack

from tests.rtc.publishing import Publisher, Watcher

pytestmark = pytest.mark.interop

_ENOUGH = 5  # pictures
_TRANSPORT = ("a=candidate:", "a=end-of-cand", "a=ice-", "a=fingerprint:", "a=setup:", "a=rtcp-mux")


def _without(*heads: str) -> Callable[[str], str]:
    def edit(sdp: str) -> str:
        return "".join(line for line in sdp.splitlines(keepends=True) if not line.startswith(heads))

    return edit


def _at_session_level(direction: str) -> Callable[[str], str]:
    def edit(sdp: str) -> str:
        return _without("a=sendrecv")(sdp).replace("t=0 0\r\n", f"t=0 0\r\na={direction}\r\n")

    return edit


def _lower_fingerprints(sdp: str) -> str:
    return re.sub(r"a=fingerprint:.*", lambda line: line[0].lower().replace("sha", "SHA"), sdp)


def _with_strangers(sdp: str) -> str:
    """Codecs and extensions that nobody knows, first."""
    head = re.sub(r"(m=video \d+ \S+) ", r"\1 35 36 63 ", sdp, count=1)
    maps = "a=rtpmap:35 AV1/90000\r\na=rtpmap:36 flexfec-03/90000\r\na=rtpmap:63 red/90000\r\n"
    return head.replace("a=rtpmap:", maps + "a=extmap:13 urn:x:nobody\r\na=rtpmap:", 1)


EDITS: dict[str, Callable[[str], str]] = {
    "as it is": lambda sdp: sdp,
    "LF": lambda sdp: sdp.replace("\r\n", "\n"),
    "byte order mark": lambda sdp: "\ufeff" + sdp,
    "no direction": _without("a=sendrecv"),
    "direction of the session": _at_session_level("sendonly"),
    "setup:active": lambda sdp: sdp.replace("a=setup:actpass", "a=setup:active"),
    "setup:passive": lambda sdp: sdp.replace("a=setup:actpass", "a=setup:passive"),
    "lower case": _lower_fingerprints,
    "sha-256 alone": _without("a=fingerprint:sha-384", "a=fingerprint:sha-512"),
    "ice-lite": lambda sdp: sdp.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"),
    "extmap-allow-mixed": lambda sdp: sdp.replace("t=0 0\r\n", "t=0 0\r\na=extmap-allow-mixed\r\n"),
    "RTP/SAVPF": lambda sdp: sdp.replace("UDP/TLS/RTP/SAVPF", "RTP/SAVPF"),
    "unknown codecs first": _with_strangers,
}


async def _pictures_come(publisher: Publisher, edit: Callable[[str], str]) -> None:
    watcher = Watcher()
    try:
        answer = await watcher.peer.answer(edit(await publisher.offer()))
        await publisher.accept(answer)
        await watcher.until(lambda: len(watcher.frames) >= _ENOUGH)
        assert all(frame.rtp in publisher.sent for frame in watcher.frames)
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


@pytest.mark.parametrize("codec", ["VP8", "H264"])
@pytest.mark.parametrize("edit", EDITS)
async def test_pictures_come_whatever_the_offers_form(edit: str, codec: str) -> None:
    await _pictures_come(Publisher(codec), EDITS[edit])


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("packetization-mode=1;profile-level-id=42e01f", "packetization-mode=1"),
        ("packetization-mode=1;profile-level-id=42e01f", "packetization-mode=0"),
        ("profile-level-id=42e01f", "profile-level-id=640028"),
        ("profile-level-id=42e01f", "profile-level-id=4d001f"),
    ],
)
async def test_h264_comes_whatever_its_parameters(written: str, instead: str) -> None:
    def edit(sdp: str) -> str:
        assert written in sdp
        return sdp.replace(written, instead)

    publisher = Publisher("H264")
    watcher = Watcher()
    try:
        answer = await watcher.peer.answer(edit(await publisher.offer()))
        assert instead in answer
        await publisher.accept(answer.replace(instead, written))
        await watcher.until(lambda: len(watcher.frames) >= _ENOUGH)
    finally:
        await watcher.peer.close()
        await publisher.connection.close()


def _max_bundle(sdp: str) -> str:
    """All but the first section without transport or port, as a browser's max-bundle offer."""
    head, first, *others = re.split(r"(?=^m=)", sdp, flags=re.MULTILINE)
    bare = (_without(*_TRANSPORT)(section) for section in others)
    return (
        head
        + first
        + "".join(
            re.sub(
                r"^(m=\S+) \d+ (.*)$", r"\1 0 \2\r\na=bundle-only\r", section, count=1, flags=re.M
            )
            for section in bare
        )
    )


async def test_video_comes_over_the_transport_that_audio_carries() -> None:
    publisher, watcher = Publisher(), Watcher()
    publisher.connection.addTrack(AudioStreamTrack())
    # The order of the offer's sections.
    vars(publisher.connection)["_RTCPeerConnection__transceivers"].reverse()
    try:
        answer = await watcher.peer.answer(_max_bundle(await publisher.offer()))
        sections = re.findall(r"^m=(\w+) (\d+)", answer, flags=re.MULTILINE)
        assert [kind for kind, _ in sections] == ["audio", "video", "application"]
        assert len({port for _, port in sections}) == 1
        await publisher.accept(answer)
        await watcher.until(lambda: len(watcher.frames) >= _ENOUGH)
        await publisher.opened("results")
    finally:
        await watcher.peer.close()
        await publisher.connection.close()
