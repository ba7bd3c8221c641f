"""A publisher's candidates: of its offer, and those that it trickles (RFC 8839, RFC 8840)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from edge.rtc.sdp.description import MAX_CHARS, Lines, split
from edge.rtc.sdp.errors import SdpError

MAX_CANDIDATES = 32  # of one session; further ones are ignored
_MAX_READ = 8 * MAX_CANDIDATES  # of one text, usable or not


@dataclass(frozen=True, slots=True)
class Candidate:
    """A remote UDP address to try (RFC 8839, section 5.1)."""

    mid: str
    foundation: str
    priority: int
    address: str
    port: int
    kind: str


def read_candidates(fragment: str) -> list[Candidate]:
    """The usable candidates of an offer or a trickled fragment (RFC 8840, section 9).

    TCP and hidden (mDNS) addresses are left out; the publisher's connectivity checks reveal these.
    """
    if len(fragment) > MAX_CHARS:
        raise SdpError("sdp_too_large", f"more than {MAX_CHARS} characters of candidates")
    found: list[Candidate] = []
    mid, left = "", _MAX_READ
    session, groups = split(fragment)
    for lines in groups or [session]:
        block = Lines(lines)
        mid = block.value("mid") or mid
        values = block.values("candidate")[:left]
        left -= len(values)
        for value in values:
            candidate = _candidate(mid, value)
            if candidate is not None:
                found.append(candidate)
    return found[:MAX_CANDIDATES]


def read_ufrags(text: str) -> frozenset[str]:
    """The ICE user name fragments of an offer or a trickled fragment (RFC 8839, section 5.4)."""
    session, groups = split(text[:MAX_CHARS])
    return frozenset(
        value for lines in (session, *groups) for value in Lines(lines).values("ice-ufrag")
    )


def _candidate(mid: str, value: str) -> Candidate | None:
    parts = value.split(maxsplit=8)
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
