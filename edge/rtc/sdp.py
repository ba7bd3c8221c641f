"""A publisher's offer: checked, reduced to the accepted sections, and its answer completed.

Accepted are one video section that sends and one for data channels; audio that shares their
transport stays as inactive; everything else is rejected with port 0 (RFC 9429, section 5.3.1).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.rtc.rtp import ABS_CAPTURE_TIME, ABS_SEND_TIME, TRANSPORT_CC, ExtensionIds

MAX_CHARS = 64_000
MAX_LINES = 2_000
MAX_SECTIONS = 32
MAX_CANDIDATES = 32  # of one session; further ones are ignored
MAX_MESSAGE_BYTES = 65_536  # on a data channel: fewer fragments than a stream may hold unfinished
START_KBPS = 1000  # at its default of 300, libwebrtc starts at half of the requested size or less

_AUDIO = {"opus/48000", "pcmu/8000", "pcma/8000", "g722/8000"}
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")
_CREDENTIALS = {
    "ice-ufrag": re.compile(r"[A-Za-z0-9+/]{4,256}"),
    "ice-pwd": re.compile(r"[A-Za-z0-9+/]{22,256}"),
}
"""RFC 8839, section 5.4: checks carry the fragment to whatever address an offer names."""
_M_LINE = re.compile(r"m=([a-z]+) (\d{1,5})(?:/\d+)? ([A-Z/]+) (\S.*)", re.ASCII)


SHORTAGES = frozenset({"no_ports", "no_descriptors"})
"""Codes of an SdpError that is the server's shortage: the same offer may be used later."""


class SdpError(Exception):
    """An offer or a candidate list that can't be used; `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Candidate:
    """A remote UDP address to try (RFC 8839, section 5.1)."""

    mid: str
    foundation: str
    priority: int
    address: str
    port: int
    kind: str


@dataclass(slots=True)
class _Section:
    lines: list[str]
    kind: str
    port: int
    protocol: str
    formats: str
    accepted: bool = False

    def values(self, name: str) -> list[str]:
        head = f"a={name}:"
        return [line[len(head) :] for line in self.lines if line.startswith(head)]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def has(self, flag: str) -> bool:
        return f"a={flag}" in self.lines

    @property
    def mid(self) -> str | None:
        return self.value("mid")

    @property
    def alive(self) -> bool:
        return self.port != 0 or self.has("bundle-only")

    def direction(self, default: str) -> str:
        return next((name for name in _DIRECTIONS if self.has(name)), default)

    def codecs(self) -> set[str]:
        """Names and clock rates, in lower case: "vp8/90000"."""
        found = (value.partition(" ")[2].lower() for value in self.values("rtpmap"))
        return {"/".join(value.split("/")[:2]) for value in found}


@dataclass(frozen=True, slots=True)
class Offer:
    """The accepted parts of an offer.

    `sdp` has the accepted sections without candidates; `mid` is the video section's; `extensions`
    are the ids of the header extensions.
    """

    sdp: str
    mid: str
    audio_mids: frozenset[str]
    extensions: ExtensionIds
    candidates: list[Candidate]
    sections: list[_Section] = field(repr=False)

    def complete(self, answer: str) -> str:
        """The answer to the whole offer: rejected sections put back in their places."""
        session, answered = _split(answer)
        lines = list(session)
        for section in self.sections:
            if section.accepted:
                lines += _with_start_bitrate(answered.pop(0))
            else:
                lines += [
                    f"m={section.kind} 0 {section.protocol} {section.formats}",
                    "c=IN IP4 0.0.0.0",
                    "a=inactive",
                ]
                if section.mid is not None:
                    lines.append(f"a=mid:{section.mid}")
        return "\r\n".join(lines) + "\r\n"


def read_offer(text: str) -> Offer:
    """Check an offer and choose the sections to accept; raises SdpError for an unusable one."""
    if not text.strip():
        raise SdpError("bad_sdp", "the offer is empty")
    if len(text) > MAX_CHARS:
        raise SdpError("sdp_too_large", f"the offer has more than {MAX_CHARS} characters")
    session, groups = _split(text)
    if not session or not session[0].startswith("v=0"):
        raise SdpError("bad_sdp", "the offer is not SDP: it does not begin with v=0")
    if len(session) + sum(map(len, groups)) > MAX_LINES or len(groups) > MAX_SECTIONS:
        raise SdpError("sdp_too_large", "the offer has too many lines")
    _check_credentials(session, *groups)
    sections = [_section(lines) for lines in groups]
    default = next((name for name in _DIRECTIONS if f"a={name}" in session), "sendrecv")
    video = _accept_video(sections, default)
    bundle = _bundle(session)
    together = bundle is not None and video.mid in bundle
    for section in sections:
        if section.kind == "application" and section.alive and _is_data(section):
            section.accepted = True
            break
    for section in sections:
        if section.kind == "audio" and section.alive and together and section.codecs() & _AUDIO:
            section.accepted = section.mid in (bundle or ())
    accepted = [section for section in sections if section.accepted]
    for section in accepted:
        _check_transport(session, section, alone=len(accepted) == 1)
    mids = {section.mid for section in accepted}
    if len(accepted) > 1 and not mids <= set(bundle or ()):
        # Each further transport would take a UDP port and a descriptor on every address.
        raise SdpError(
            "no_bundle", "the offer's sections do not share a transport (a=group:BUNDLE)"
        )
    kept = [line for line in session if not line.startswith("a=group:BUNDLE")]
    if bundle is not None and any(mid in mids for mid in bundle):
        kept.append("a=group:BUNDLE " + " ".join(mid for mid in bundle if mid in mids))
    for section in accepted:
        kept += [
            line
            for line in section.lines
            if not line.startswith(("a=candidate:", "a=end-of-candidates"))
        ]
    return Offer(
        sdp="\r\n".join(kept) + "\r\n",
        mid=video.mid or "",
        audio_mids=frozenset(s.mid or "" for s in accepted if s.kind == "audio"),
        extensions=_extensions(video),
        candidates=read_candidates(text),
        sections=sections,
    )


def read_candidates(fragment: str) -> list[Candidate]:
    """The usable candidates of an offer or a trickled fragment (RFC 8840, section 9).

    TCP and hidden (mDNS) addresses are left out; the publisher's connectivity checks reveal these.
    """
    if len(fragment) > MAX_CHARS:
        raise SdpError("sdp_too_large", f"more than {MAX_CHARS} characters of candidates")
    found: list[Candidate] = []
    mid = ""
    _, groups = _split(fragment)
    blocks = groups or [fragment.splitlines()]
    for lines in blocks:
        mid = next((line[6:].strip() for line in lines if line.startswith("a=mid:")), mid)
        for line in lines:
            if line.startswith("a=candidate:") and len(found) < MAX_CANDIDATES:
                candidate = _candidate(mid, line[12:])
                if candidate is not None:
                    found.append(candidate)
    return found


def with_message_size(answer: str) -> str:
    """The answer with `MAX_MESSAGE_BYTES` in the place of aiortc's own (RFC 8841, section 6)."""
    return re.sub(r"a=max-message-size:\d+", f"a=max-message-size:{MAX_MESSAGE_BYTES}", answer)


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


def read_ufrags(text: str) -> frozenset[str]:
    """The ICE user name fragments of an offer or a trickled fragment (RFC 8839, section 5.4)."""
    session, groups = _split(text[:MAX_CHARS])
    head = "a=ice-ufrag:"
    lines = (line for lines in (session, *groups) for line in lines)
    return frozenset(line[len(head) :].strip() for line in lines if line.startswith(head))


def _candidate(mid: str, value: str) -> Candidate | None:
    parts = value.split()
    if len(parts) < 8 or parts[6] != "typ" or parts[2].lower() != "udp" or parts[1] != "1":
        return None
    try:
        address = ipaddress.ip_address(parts[4])
        priority, port = int(parts[3]), int(parts[5])
    except ValueError:
        return None  # a name: mDNS hides the address
    usable = not (address.is_multicast or address.is_unspecified) and 0 < port < 65536
    if not usable or not 0 < priority < 1 << 32 or parts[7] not in ("host", "srflx", "relay"):
        return None
    return Candidate(mid, parts[0][:32], priority, str(address), port, parts[7])


def _with_start_bitrate(section: list[str]) -> list[str]:
    """A section with the bitrate at which libwebrtc's encoder starts; others ignore it."""
    vp8 = (re.fullmatch(r"a=rtpmap:(\d+) VP8/90000", line, re.IGNORECASE) for line in section)
    lines = [f"a=fmtp:{match[1]} x-google-start-bitrate={START_KBPS}" for match in vp8 if match]
    return section + lines


def _split(text: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    groups: list[list[str]] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("m="):
            groups.append([line])
        elif line:
            (groups[-1] if groups else session).append(line)
    return session, groups


def _section(lines: list[str]) -> _Section:
    match = _M_LINE.fullmatch(lines[0])
    if match is None or int(match[2]) > 65535:
        raise SdpError("bad_sdp", f"unreadable media line: {lines[0][:80]!r}")
    return _Section(lines, match[1], int(match[2]), match[3], match[4])


def _check_credentials(*groups: list[str]) -> None:
    for line in (line for lines in groups for line in lines):
        name, _, value = line.removeprefix("a=").partition(":")
        rule = _CREDENTIALS.get(name) if line.startswith("a=") else None
        if rule is not None and rule.fullmatch(value) is None:
            raise SdpError("bad_sdp", f"a={name} does not have the form of RFC 8839")


def _accept_video(sections: list[_Section], default: str) -> _Section:
    videos = [
        section
        for section in sections
        if section.kind == "video"
        and section.alive
        and section.direction(default) in ("sendrecv", "sendonly")
    ]
    if not videos:
        raise SdpError("no_video", "the offer has no video that is sent")
    for section in videos:
        if section.codecs() & {"vp8/90000", "h264/90000"}:
            section.accepted = True
            return section
    raise SdpError("no_codec", "the offer has neither VP8 nor H264 video")


def _is_data(section: _Section) -> bool:
    return "SCTP" in section.protocol


def _bundle(session: list[str]) -> list[str] | None:
    return next((line.split()[1:] for line in session if line.startswith("a=group:BUNDLE")), None)


def _check_transport(session: list[str], section: _Section, *, alone: bool) -> None:
    """Raise SdpError unless the transport's attributes are there, or at session level."""
    if section.mid is None and not alone:
        raise SdpError("bad_sdp", "a media section has no a=mid")
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        if section.value(name) is None and not any(
            line.startswith(f"a={name}:") for line in session
        ):
            raise SdpError("bad_sdp", f"the {section.kind} section has no a={name}")
    if section.kind != "application" and not section.has("rtcp-mux"):
        raise SdpError("no_rtcp_mux", f"the {section.kind} section does not offer rtcp-mux")


def _extensions(video: _Section) -> ExtensionIds:
    ids = {ABS_SEND_TIME: 0, ABS_CAPTURE_TIME: 0, TRANSPORT_CC: 0}
    for value in video.values("extmap"):
        identity, _, rest = value.partition(" ")
        number, _, direction = identity.partition("/")
        uri = rest.split(" ")[0]
        if uri in ids and number.isdecimal() and 0 < int(number) < 256 and direction != "recvonly":
            ids[uri] = int(number)
    return ExtensionIds(*ids.values())
