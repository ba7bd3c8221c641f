"""A session description as lines: the session's own, and those of each media section (RFC 8866)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from edge.rtc.sdp.errors import SdpError

MAX_CHARS = 64_000
MAX_LINES = 2_000
MAX_SECTIONS = 32
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_LINE_END = re.compile(r"[\r\n]\s*")  # with the empty lines that follow
_M_LINE = re.compile(r"m=([!-~]+) +(\d{1,5})(?:/\d+)? +([!-~]+) +([!-~].*)", re.ASCII)


@dataclass(slots=True)
class Lines:
    """The lines of a session or a media section, and the attributes in them.

    The lines are gone through once: an offer has up to `MAX_LINES` of them, and is asked for an
    attribute for each of its sections, payload types and groups.
    """

    lines: list[str]
    _values: dict[str, list[str]] = field(init=False, repr=False, compare=False)
    _flags: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._values = {}
        attributes = [line[2:] for line in self.lines if line.startswith("a=")]
        for attribute in attributes:
            name, colon, value = attribute.partition(":")
            if colon:
                self._values.setdefault(name, []).append(value.strip())
        self._flags = frozenset(attributes)

    def values(self, name: str) -> Sequence[str]:
        return self._values.get(name, ())

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def has(self, flag: str) -> bool:
        return flag in self._flags

    @property
    def direction(self) -> str | None:
        return next((name for name in DIRECTIONS if self.has(name)), None)


@dataclass(slots=True)
class Section(Lines):
    """A media section; `formats` are payload types, where it is of RTP."""

    kind: str
    port: int
    protocol: str
    formats: list[str]

    @property
    def mid(self) -> str | None:
        return self.value("mid")


@dataclass(frozen=True)
class Description:
    """A description that has been read."""

    session: Lines
    sections: list[Section]

    @cached_property
    def bundles(self) -> list[dict[str, None]]:
        """The mids of each group of sections that share a transport, in order (RFC 9143)."""
        groups = (value.split() for value in self.session.values("group"))
        return [dict.fromkeys(group[1:]) for group in groups if group[:1] == ["BUNDLE"]]

    @cached_property
    def bundled(self) -> frozenset[str]:
        """The mids that are in any group."""
        return frozenset(mid for group in self.bundles for mid in group)


def decimal(text: str, most_digits: int) -> int | None:
    """A number written in so few ASCII digits, else None: more digits may be too many for int()."""
    usable = len(text) <= most_digits and text.isascii() and text.isdecimal()
    return int(text) if usable else None


def split(text: str) -> tuple[list[str], list[list[str]]]:
    """The session's lines and those of each section, without the space around them.

    Any end of line is taken, and a byte order mark before the first.
    """
    session: list[str] = []
    groups: list[list[str]] = []
    for raw in _LINE_END.split(text.removeprefix("\ufeff")):
        line = raw.strip()
        if line.startswith("m="):
            groups.append([line])
        elif line:
            (groups[-1] if groups else session).append(line)
    return session, groups


def read_description(text: str) -> Description:
    """The description in `text`; raises SdpError where it is malformed or too large."""
    if not text.strip("\ufeff \r\n\t"):
        raise SdpError("bad_sdp", "the offer is empty")
    if len(text) > MAX_CHARS:
        raise SdpError("sdp_too_large", f"the offer has more than {MAX_CHARS} characters")
    session, groups = split(text)
    if not session or not session[0].startswith("v=0"):
        raise SdpError("bad_sdp", "the offer is not SDP: it does not begin with v=0")
    if len(session) + sum(map(len, groups)) > MAX_LINES or len(groups) > MAX_SECTIONS:
        raise SdpError(
            "sdp_too_large", f"the offer has more than {MAX_LINES} lines or {MAX_SECTIONS} sections"
        )
    return Description(Lines(session), [_section(lines) for lines in groups])


def _section(lines: list[str]) -> Section:
    match = _M_LINE.fullmatch(lines[0])
    if match is None or int(match[2]) > 65535:
        raise SdpError("bad_sdp", f"unreadable media line: {lines[0][:80]!r}")
    return Section(lines, match[1], int(match[2]), match[3], match[4].split())
