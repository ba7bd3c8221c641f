"""Foreign publishers on Node.js, and the streams that they send.

werift is a WebRTC stack in TypeScript (MIT), held below 0.25, which needs Node.js 22;
libdatachannel is one in C++, with the bindings of node-datachannel (MPL-2.0). npm brings both,
already built.
"""

from __future__ import annotations

from pathlib import Path

from aiortc.rtp import RtpPacket

from tests import npm
from tests.rtc import av1_packets, vp9_packets
from tests.rtc.streams import encode, packetise

PROGRAMS = Path(__file__).with_name("node")


def installed() -> Path:
    """The folder with the packages; NpmMissingError where they cannot be had."""
    return npm.installed(PROGRAMS)


def program(name: str, stream: Path) -> list[str]:
    """The command of a publisher, `werift` or `libdatachannel`, to which its URL is added.

    Raises NpmMissingError as `installed` does.
    """
    script = str(PROGRAMS / f"{name}.mjs")
    return ["node", script, "--packages", str(installed()), "--stream", str(stream)]


def write_stream(file: Path, codec: str, frames: int) -> Path:
    """A picture that moves, encoded, as RTP packets framed by their length (RFC 4571).

    One key frame alone is in it, the first. The publishers write payload type and source.
    """
    with file.open("wb") as out:
        if codec == "vp9":
            stream = vp9_packets.packets(vp9_packets.vp9(frames), size=1100)
        elif codec == "av1":
            stream = av1_packets.packets(av1_packets.av1(frames), size=1100)
        else:
            stream = packetise(codec, encode(codec, frames, 320, 192), size=1100)
        for frame in stream:
            for packet in frame:
                written = RtpPacket(
                    payload_type=96,
                    marker=int(packet.marker),
                    sequence_number=packet.sequence,
                    timestamp=packet.rtp,
                    payload=packet.payload,
                ).serialize()
                out.write(len(written).to_bytes(2, "big") + written)
    return file
