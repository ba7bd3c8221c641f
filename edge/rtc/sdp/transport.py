"""The transport in an offer: ICE credentials, DTLS role, fingerprints (RFC 8839, 8842)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edge.rtc.sdp.description import Lines
from edge.rtc.sdp.errors import SdpError

_CREDENTIALS = {
    "ice-ufrag": re.compile(r"[A-Za-z0-9+/=_-]{4,256}"),
    "ice-pwd": re.compile(r"[A-Za-z0-9+/=_-]{22,256}"),
}
"""RFC 8839, section 5.4, and what else base64 may have: checks carry the fragment to whatever
address an offer names."""
_DIGEST = re.compile(r"[0-9A-F]{2}(:[0-9A-F]{2})*", re.IGNORECASE)
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}

Role = Literal["active", "passive"]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The hash of a certificate, as `AB:CD:...` in upper case (RFC 8122, section 5)."""

    algorithm: str
    digest: str


@dataclass(frozen=True, slots=True)
class Transport:
    """A publisher's end. `role` is this server's in DTLS: "passive" is its server."""

    ufrag: str
    password: str
    fingerprints: tuple[Fingerprint, ...]
    role: Role
    ice_lite: bool


def check_credentials(parts: Sequence[Lines]) -> None:
    """Raise SdpError if a user name fragment or password has characters that it may not have."""
    for part in parts:
        for name, rule in _CREDENTIALS.items():
            for value in part.values(name):
                if rule.fullmatch(value) is None:
                    raise SdpError("bad_sdp", f"a={name} does not have the form of RFC 8839")


def read_transport(session: Lines, parts: Sequence[Lines], kind: str) -> Transport:
    """The transport of a section; `parts` are where its attributes may stand, nearest first.

    Raises SdpError, naming the attribute, for one that is missing or can't be used.
    """

    def nearest(name: str) -> Sequence[str]:
        return next((values for part in parts if (values := part.values(name))), ())

    for name in ("ice-ufrag", "ice-pwd", "fingerprint"):
        if not nearest(name):
            raise SdpError("bad_sdp", f"the {kind} section has no a={name}")
    # A fragment and a password of two transports would never match.
    own = next(part for part in parts if part.values("ice-ufrag"))
    password = own.value("ice-pwd") or nearest("ice-pwd")[0]
    return Transport(
        ufrag=own.values("ice-ufrag")[0],
        password=password,
        fingerprints=_fingerprints(nearest("fingerprint")),
        role=_role(nearest("setup")),
        ice_lite=session.has("ice-lite"),
    )


def _role(setups: Sequence[str]) -> Role:
    """This server's role; the DTLS server's wherever it may choose.

    A server's certificate decides which ciphers are possible, and ours is the one that every
    publisher takes. An offer without the attribute is "active" (RFC 4145, section 4).
    """
    setup = setups[0].lower() if setups else "active"
    if setup in ("actpass", "active"):
        return "passive"
    if setup == "passive":
        return "active"
    if setup == "holdconn":
        raise SdpError("bad_sdp", "a=setup:holdconn: a publisher has to connect now")
    raise SdpError("bad_sdp", "a=setup: one of actpass, active and passive")


def _fingerprints(values: Sequence[str]) -> tuple[Fingerprint, ...]:
    found = []
    for value in values:
        algorithm, _, digest = value.partition(" ")
        algorithm, digest = algorithm.lower(), digest.strip().upper()
        if algorithm not in _DIGEST_BYTES:
            continue
        if _DIGEST.fullmatch(digest) is None or len(digest) != 3 * _DIGEST_BYTES[algorithm] - 1:
            raise SdpError(
                "bad_sdp", f"a=fingerprint:{algorithm} is not {_DIGEST_BYTES[algorithm]} bytes"
            )
        found.append(Fingerprint(algorithm, digest))
    if not found:
        given = ", ".join(sorted({value.split(" ")[0][:20] for value in values}))
        raise SdpError(
            "bad_sdp", f"a=fingerprint is given as {given}: sha-256, sha-384 or sha-512 is needed"
        )
    return tuple(dict.fromkeys(found))
