"""The sending side of a connection: the only module of this package that uses aiortc's privates.

aiortc keeps ICE, DTLS, SRTP's keys and SCTP, as it does for the server
(`edge.rtc.transport.aiortc_adapter`); its own sender never starts. A packet goes from here to the
socket in one call, without a task.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any, cast

from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from edge.client.rtp.rtp_packetiser import Codec, Packetiser
from edge.rtc.rtp import ABS_CAPTURE_TIME, ABS_SEND_TIME, ExtensionIds, is_rtcp
from edge.rtc.transport import aiortc_adapter

_CLOSE_S = 2.0
_COMPONENT = 1  # of ICE: RTP, and all that is multiplexed with it


class AnswerError(Exception):
    """The answer cannot be used; the message gives the reason."""


class SenderConnection:
    """A sending video section and two data channels.

    `on_rtcp(packet)` is called with decrypted feedback, `on_message(label, text)` with each data
    channel message, `on_open(label)` when a channel has opened, `on_state(state)` with each state
    of the connection.
    """

    def __init__(
        self,
        *,
        on_rtcp: Callable[[bytes], None],
        on_message: Callable[[str, str], None],
        on_open: Callable[[str], None],
        on_state: Callable[[str], None],
        codecs: Sequence[Codec] = ("vp8",),
    ) -> None:
        """`codecs` are offered, the preferred one first."""
        # An empty list, not None: None would ask a public STUN server.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._transceiver = self._connection.addTransceiver("video", direction="sendonly")
        capabilities = RTCRtpSender.getCapabilities("video")
        assert capabilities is not None
        self._codecs = tuple(codecs)
        self._transceiver.setCodecPreferences(
            [
                each
                for name in (*codecs, "rtx")
                for each in capabilities.codecs
                if each.mimeType.lower() == f"video/{name}"
            ]
        )
        sender: Any = self._transceiver.sender
        sender.send = sender.stop = _nothing
        self._channels = {
            "control": self._connection.createDataChannel("control"),
            "results": self._connection.createDataChannel(
                "results", ordered=False, maxRetransmits=0
            ),
        }
        for label, channel in self._channels.items():
            self._listen(label, channel, on_message, on_open)
        self._wire = aiortc_adapter.MediaTransport(
            self._connection,
            self._transceiver,
            on_rtp=lambda packet, at_ms: None,
            on_rtcp=lambda packet, at_ms: on_rtcp(packet),
        )
        dtls: Any = sender.transport
        self._dtls = dtls
        self._ice: Any = dtls.transport._connection
        self._connection.on(
            "connectionstatechange", lambda: on_state(self._connection.connectionState)
        )

    @staticmethod
    def _listen(
        label: str,
        channel: RTCDataChannel,
        on_message: Callable[[str, str], None],
        on_open: Callable[[str], None],
    ) -> None:
        channel.on("message", lambda text: on_message(label, text))
        channel.on("open", lambda: on_open(label))

    async def offer(self) -> str:
        """The offer's SDP: aiortc's, with the abs-capture-time extension added."""
        await self._connection.setLocalDescription(await self._connection.createOffer())
        sdp: str = self._connection.localDescription.sdp
        used = {int(line[9:].split()[0]) for line in sdp.splitlines() if _is_extension(line)}
        free = min(set(range(1, 15)) - used)
        lines = []
        for line in sdp.splitlines():
            lines.append(line)
            if line.startswith("a=mid:") and not any(ABS_CAPTURE_TIME in each for each in lines):
                lines.append(f"a=extmap:{free} {ABS_CAPTURE_TIME}")
        return "\r\n".join(lines) + "\r\n"

    async def accept(self, answer: str) -> Packetiser:
        """Take the answer; the packetiser for its parameters. Raises AnswerError."""
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        except Exception as error:  # aiortc raises many kinds for an unusable answer
            raise AnswerError(
                f"the answer cannot be used: {error or type(error).__name__}"
            ) from error
        codecs, retransmissions = aiortc_adapter.payload_types(self._transceiver)
        chosen = next((number for number, name in codecs.items() if name in self._codecs), None)
        if chosen is None:
            raise AnswerError(f"the answer has no {' or '.join(self._codecs).upper()}")
        again = next((number for number, of in retransmissions.items() if of == chosen), None)
        return Packetiser(
            self._wire.ssrc,
            chosen,
            _extensions(answer),
            codec=cast(Codec, codecs[chosen]),
            rtx=(again, self._transceiver.sender._rtx_ssrc) if again is not None else None,
            sequence=secrets.randbelow(1 << 15),
        )

    def send(self, packet: bytes) -> bool:
        """Send RTP or RTCP now; False before the connection is up and after it has ended."""
        pair = self._ice._nominated.get(_COMPONENT)
        srtp = self._dtls._tx_srtp
        if pair is None or srtp is None or self._dtls.state != "connected":
            return False
        protect = srtp.protect_rtcp if is_rtcp(packet) else srtp.protect
        pair.protocol.transport.sendto(protect(packet), pair.remote_addr)
        return True

    def send_control(self, text: str) -> bool:
        """Send on the control channel; False while it is not open."""
        channel = self._channels["control"]
        if channel.readyState != "open":
            return False
        channel.send(text)
        return True

    def lose_network(self) -> None:
        """Let no packet leave from now on, as if the cable were cut: not even those of `close`."""
        self._wire.release()
        for protocol in self._ice._protocols:
            protocol.transport.sendto = _discard

    async def close(self) -> None:
        """End the connection; always completes."""
        self._wire.release()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await self._connection.close()
        except TimeoutError:
            with contextlib.suppress(Exception):
                aiortc_adapter.abort_sockets(self._connection)
        self._connection.remove_all_listeners()


async def _nothing(*_: object) -> None:
    return None


def _discard(*_: object) -> None:
    return None


def _is_extension(line: str) -> bool:
    return line.startswith("a=extmap:")


def _extensions(sdp: str) -> ExtensionIds:
    """The ids under which the answer accepts the two extensions, 0 if it does not."""
    ids = {}
    for line in sdp.splitlines():
        if _is_extension(line):
            number, _, uri = line[9:].partition(" ")
            ids[uri.strip()] = int(number.split("/")[0])
    return ExtensionIds(ids.get(ABS_SEND_TIME, 0), ids.get(ABS_CAPTURE_TIME, 0))
