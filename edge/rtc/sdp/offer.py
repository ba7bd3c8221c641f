"""A publisher's offer: checked, and the sections chosen that are accepted.

Accepted are one video section that sends and one for data channels; audio that shares their
transport stays as inactive; everything else is rejected with port 0 (RFC 9429, section 5.3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge.rtc.rtp import (
    ABS_CAPTURE_TIME,
    ABS_SEND_TIME,
    REPAIRED_STREAM_ID,
    STREAM_ID,
    TRANSPORT_CC,
    ExtensionIds,
)
from edge.rtc.sdp.candidates import Candidate, read_candidates
from edge.rtc.sdp.codecs import CODECS, Codec, choose_codecs
from edge.rtc.sdp.description import Description, Section, decimal, read_description
from edge.rtc.sdp.errors import SdpError
from edge.rtc.sdp.simulcast import Layer, choose_layers, read_groups
from edge.rtc.sdp.transport import Transport, check_credentials, read_transport

_AUDIO = {"opus/48000", "pcmu/8000", "pcma/8000", "g722/8000"}
_STATIC_AUDIO = {"0": "PCMU/8000", "8": "PCMA/8000", "9": "G722/8000"}  # RFC 3551, section 6
_SCTP_PORT = 5000  # where an offer names none
_SCTP_MESSAGE_BYTES = 65_536  # RFC 8841, section 6.1: where an offer names no size
_UNLIMITED_BYTES = 1 << 30  # for the size 0, which is any


@dataclass(frozen=True, slots=True)
class DataSection:
    """The section of data channels: SCTP's port, and the largest message to send."""

    section: Section
    port: int
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class Offer:
    """The accepted parts of an offer.

    `bundle` are the accepted sections' mids, the one whose transport is used first; empty where the
    offer has no group. `asked` are the layers of a simulcast that the answer asks for. `extensions`
    are the ids of the header extensions.
    """

    description: Description
    video: Section
    audio: tuple[Section, ...]
    data: DataSection | None
    bundle: tuple[str, ...]
    codecs: tuple[Codec, ...]
    asked: tuple[Layer, ...]
    transport: Transport
    extensions: ExtensionIds
    candidates: tuple[Candidate, ...]

    @property
    def payload_types(self) -> dict[int, str]:
        """The codecs' names by payload type."""
        return {codec.payload_type: codec.name for codec in self.codecs}

    @property
    def retransmissions(self) -> dict[int, int]:
        """The original's payload type by the retransmission's."""
        return {codec.rtx: codec.payload_type for codec in self.codecs if codec.rtx is not None}

    @property
    def layers(self) -> frozenset[int]:
        """The sources (SSRC) that it names as the layers of one picture."""
        return frozenset(ssrc for group in read_groups(self.video, "SIM") for ssrc in group)

    @property
    def pairs(self) -> dict[int, int]:
        """The source by that of its retransmissions, as far as it names them."""
        groups = read_groups(self.video, "FID")
        return {group[1]: group[0] for group in groups if len(group) == 2}

    def accepts(self, section: Section) -> bool:
        """Whether a section of the offer is accepted."""
        data = self.data.section if self.data is not None else None
        return any(section is each for each in (self.video, *self.audio, data))


def read_offer(text: str, wanted_codecs: Sequence[str] = CODECS) -> Offer:
    """Check an offer and choose the sections to accept; raises SdpError for an unusable one."""
    description = read_description(text)
    session, sections = description.session, description.sections
    check_credentials([session, *sections])
    mids = [section.mid for section in sections if section.mid is not None]
    if len(set(mids)) < len(mids):
        raise SdpError("bad_sdp", "two sections have the same a=mid")
    video, codecs = _choose_video(description, wanted_codecs)
    group = _group(description, video)
    alive = [section for section in sections if _is_alive(description, section)]
    data = next((s for s in alive if s.kind == "application" and "SCTP" in s.protocol), None)
    audio = [
        section
        for section in alive
        if section.kind == "audio" and section.mid in group and audio_types(section)
    ]
    accepted = [section for section in (video, *audio, data) if section is not None]
    if len(accepted) > 1:
        if any(section.mid is None for section in accepted):
            raise SdpError("bad_sdp", "a media section has no a=mid")
        if not all(section.mid in group for section in accepted):
            # Each further transport would take a UDP port and a descriptor on every address.
            raise SdpError(
                "no_bundle", "the offer's sections do not share a transport (a=group:BUNDLE)"
            )
    # The first accepted section of the group gives the transport; in an offer of one section alone
    # that carries it (max-bundle), the others may lack its attributes (RFC 9143, sections 7.1.3
    # and 7.3.1).
    by_mid = {section.mid: section for section in sections}
    first = next((by_mid[mid] for mid in group if by_mid[mid] in accepted), video)
    tagged = by_mid[group[0]] if group else video
    for section in accepted:
        if section is not data and not any(
            part.has(flag)
            for part in (section, first, tagged, session)
            for flag in ("rtcp-mux", "rtcp-mux-only")
        ):
            raise SdpError("no_rtcp_mux", f"the {section.kind} section does not offer a=rtcp-mux")
    chosen = {section.mid for section in accepted}
    return Offer(
        description=description,
        video=video,
        audio=tuple(audio),
        data=_data(data) if data is not None else None,
        bundle=tuple(mid for mid in group if mid in chosen),
        codecs=tuple(codecs),
        asked=choose_layers(video, (codec.payload_type for codec in codecs)),
        transport=read_transport(session, [first, session, tagged], first.kind),
        extensions=_extensions(video),
        candidates=tuple(read_candidates(text)),
    )


def _choose_video(description: Description, wanted: Sequence[str]) -> tuple[Section, list[Codec]]:
    """The first video section that sends a codec that can be decoded, and its codecs."""
    default = description.session.direction or "sendrecv"
    videos = [section for section in description.sections if section.kind == "video"]
    alive = [section for section in videos if _is_alive(description, section)]
    sending = [s for s in alive if (s.direction or default) in ("sendrecv", "sendonly")]
    if not videos:
        raise SdpError("no_video", "the offer has no video section")
    if not alive:
        raise SdpError("no_video", "the offer's video is switched off: its port is 0")
    if not sending:
        direction = alive[0].direction or default
        raise SdpError("no_video", f"the offer's video is not sent: it is {direction}")
    choices = [(section, choose_codecs(section, wanted)) for section in sending]
    for section, choice in choices:
        if choice.codecs:
            return section, choice.codecs
    raise SdpError("no_codec", choices[0][1].reason)


def _is_alive(description: Description, section: Section) -> bool:
    """Whether it is offered: with a port, or with that of its group (RFC 9143, section 6)."""
    if section.port:
        return True
    return section.has("bundle-only") and section.mid in description.bundled


def _group(description: Description, video: Section) -> list[str]:
    """The mids of the video's group, without those of no section; empty if it is in none."""
    mids = {section.mid for section in description.sections}
    group = next((each for each in description.bundles if video.mid in each), {})
    return [mid for mid in group if mid in mids]


def audio_types(section: Section) -> dict[str, str]:
    """The payload types of an audio section that are of a codec that everyone has."""
    maps = dict(_STATIC_AUDIO)
    for value in section.values("rtpmap"):
        number, _, name = value.partition(" ")
        maps[number] = name.strip()
    found = ((number, maps[number]) for number in dict.fromkeys(section.formats) if number in maps)
    return {n: name for n, name in found if "/".join(name.lower().split("/")[:2]) in _AUDIO}


def _data(section: Section) -> DataSection:
    port = section.value("sctp-port")
    if port is None and section.formats[0].isdecimal():
        port = section.formats[0]  # "DTLS/SCTP 5000", as before RFC 8841
    size = section.value("max-message-size") or ""
    if not size.isascii() or not size.isdecimal():
        size = str(_SCTP_MESSAGE_BYTES)
    number = _SCTP_PORT if port is None else decimal(port, 5)
    if number is None or not 0 < number < 65536:
        raise SdpError("bad_sdp", "a=sctp-port is no port")
    bound = int(size[:12]) or _UNLIMITED_BYTES
    return DataSection(section, number, min(bound, _UNLIMITED_BYTES))


def _extensions(video: Section) -> ExtensionIds:
    ids = dict.fromkeys(
        (ABS_SEND_TIME, ABS_CAPTURE_TIME, TRANSPORT_CC, STREAM_ID, REPAIRED_STREAM_ID), 0
    )
    for value in video.values("extmap"):
        identity, _, rest = value.partition(" ")
        text, _, direction = identity.partition("/")
        uri = rest.partition(" ")[0]
        if uri in ids and direction != "recvonly":
            number = decimal(text, 3) or 0
            if 0 < number < 256:
                ids[uri] = number
    return ExtensionIds(*ids.values())
