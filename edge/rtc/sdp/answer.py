"""The answer to an offer: every section in its place, and the server's transport (RFC 3264)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.rtc.rtp import (
    ABS_CAPTURE_TIME,
    ABS_SEND_TIME,
    REPAIRED_STREAM_ID,
    STREAM_ID,
    TRANSPORT_CC,
)
from edge.rtc.sdp.codecs import Codec
from edge.rtc.sdp.description import Lines, Section, decimal, read_description
from edge.rtc.sdp.offer import DataSection, Offer, audio_types
from edge.rtc.sdp.simulcast import answer_lines

MAX_MESSAGE_BYTES = 65_536  # on a data channel: fewer fragments than a stream may hold unfinished
START_KBPS = 1000  # at its default of 300, libwebrtc starts at half of the requested size or less

_MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
_FEEDBACK = ("nack", "nack pli")


@dataclass(frozen=True, slots=True)
class _Server:
    """This server's end, as lines: where it listens, and the attributes of its transport."""

    origin: str
    port: int
    connection: str
    attributes: list[str]
    candidates: list[str]


def write_answer(offer: Offer, local: str, *, transport_cc: bool = False) -> str:
    """The answer with the transport of `local`, aiortc's answer to the transport's offer.

    With `transport_cc`, transport-wide feedback is answered where it was offered, instead of REMB.
    """
    server = _server(local, {each.algorithm for each in offer.transport.fingerprints})
    transport_cc = transport_cc and bool(offer.extensions.transport_cc)
    lines = ["v=0", server.origin, "s=-", "t=0 0"]
    if offer.bundle:
        lines.append("a=group:BUNDLE " + " ".join(offer.bundle))
    if offer.description.session.has("extmap-allow-mixed"):
        lines.append("a=extmap-allow-mixed")
    lines.append("a=msid-semantic:WMS *")
    for section in offer.description.sections:
        if not offer.accepts(section):
            lines += [*_rejected(section), *server.attributes]
            continue
        if section is offer.video:
            formats, body = _video(offer, transport_cc)
        elif offer.data is not None and section is offer.data.section:
            formats, body = section.formats, _data(offer.data)
        else:
            formats, body = _audio(section)
        lines += [
            f"m={section.kind} {server.port} {section.protocol} {' '.join(formats)}",
            server.connection,
            *_mid(section),
            *body,
            *server.attributes,
            *server.candidates,
        ]
    return "\r\n".join(lines) + "\r\n"


def announced(answer: str, addresses: Sequence[str]) -> str:
    """The answer with further addresses of this machine: each replaces every local one of its
    family, at the same port, as behind a NAT that maps one address to one machine."""
    lines: list[str] = []
    for line in answer.splitlines():
        lines.append(line)
        parts = line.split()
        if not line.startswith("a=candidate:") or parts[6:8] != ["typ", "host"]:
            continue
        for number, address in enumerate(addresses, start=1):
            if (":" in address) == (":" in parts[4]):
                name, priority = f"{parts[0]}{number}", int(parts[3]) - number
                lines.append(" ".join([name, *parts[1:3], str(priority), address, *parts[5:]]))
    return "\r\n".join(lines) + "\r\n"


def _server(local: str, algorithms: set[str]) -> _Server:
    description = read_description(local)
    first = description.sections[0]
    fingerprints = first.values("fingerprint")
    # Those of the hash functions that the offer uses (RFC 8122, section 5): some publishers read
    # one line and take its hash for granted.
    same = [value for value in fingerprints if value.partition(" ")[0].lower() in algorithms]
    attributes = [f"a=ice-ufrag:{first.value('ice-ufrag')}", f"a=ice-pwd:{first.value('ice-pwd')}"]
    attributes += [f"a=fingerprint:{value}" for value in same or fingerprints]
    attributes.append(f"a=setup:{first.value('setup')}")
    candidates = [line for line in first.lines if line.startswith("a=candidate:")]
    if first.has("end-of-candidates"):
        candidates.append("a=end-of-candidates")
    return _Server(
        origin=next(line for line in description.session.lines if line.startswith("o=")),
        port=first.port,
        connection=next(line for line in first.lines if line.startswith("c=")),
        attributes=attributes,
        candidates=candidates,
    )


def _mid(section: Section) -> list[str]:
    return [f"a=mid:{section.mid}"] if section.mid is not None else []


def _rejected(section: Section) -> list[str]:
    """It has no transport; GStreamer's webrtcbin wants the attributes of one in it all the same."""
    return [
        f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}",
        "c=IN IP4 0.0.0.0",
        "a=inactive",
        *_mid(section),
    ]


def _video(offer: Offer, transport_cc: bool) -> tuple[list[str], list[str]]:
    formats: list[str] = []
    lines = ["a=recvonly", "a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp-mux"]
    uris = [_MID, ABS_SEND_TIME, ABS_CAPTURE_TIME, *([TRANSPORT_CC] if transport_cc else [])]
    if offer.asked:
        uris += [STREAM_ID, REPAIRED_STREAM_ID]
        lines += answer_lines(offer.asked)
    lines += _extensions(offer.video, uris)
    for codec in offer.codecs:
        formats.append(str(codec.payload_type))
        lines += _codec(codec, transport_cc)
    for codec in offer.codecs:
        if codec.rtx is not None:
            formats.append(str(codec.rtx))
            lines += [
                f"a=rtpmap:{codec.rtx} rtx/90000",
                f"a=fmtp:{codec.rtx} apt={codec.payload_type}",
            ]
    return formats, lines


def _codec(codec: Codec, transport_cc: bool) -> list[str]:
    number = codec.payload_type
    lines = [f"a=rtpmap:{number} {codec.encoding}/90000"]
    wanted = (*_FEEDBACK, "transport-cc" if transport_cc else "goog-remb")
    lines += [f"a=rtcp-fb:{number} {kind}" for kind in wanted if kind in codec.feedback]
    parameters = codec.answer_parameters
    if codec.name != "h264":  # others than libwebrtc ignore it
        parameters |= {"x-google-start-bitrate": str(START_KBPS)}
    if parameters:
        pairs = (f"{name}={value}" for name, value in parameters.items())
        lines.append(f"a=fmtp:{number} " + ";".join(pairs))
    return lines


def _extensions(section: Section, uris: Sequence[str]) -> list[str]:
    """The header extensions among `uris` that were offered, by the numbers offered (RFC 8285)."""
    lines = ["a=extmap-allow-mixed"] if section.has("extmap-allow-mixed") else []
    answered: set[str] = set()
    for value in section.values("extmap"):
        identity, _, rest = value.partition(" ")
        number, _, direction = identity.partition("/")
        uri = rest.strip().split(" ")[0]
        usable = 0 < (decimal(number, 3) or 0) < 256
        if (
            uri in uris
            and uri not in answered
            and usable
            and direction in ("", "sendonly", "sendrecv")
        ):
            answered.add(uri)
            lines.append(f"a=extmap:{number}{'/recvonly' if direction else ''} {uri}")
    return lines


def _audio(section: Section) -> tuple[list[str], list[str]]:
    """Inactive, in the first of the codecs that everyone has."""
    number, name = next(iter(audio_types(section).items()))
    lines = ["a=inactive", "a=rtcp:9 IN IP4 0.0.0.0", "a=rtcp-mux", f"a=rtpmap:{number} {name}"]
    return [number], lines


def _data(data: DataSection) -> list[str]:
    size = f"a=max-message-size:{MAX_MESSAGE_BYTES}"
    formats = Lines(data.section.lines)
    if data.section.formats[0].isdecimal():  # as before RFC 8841
        maps = [f"a=sctpmap:{value}" for value in formats.values("sctpmap")]
        return [*maps, size]
    return [f"a=sctp-port:{data.port}", size]
