"""A session description as lines: the session's own, and those of each media section (RFC 8866)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.rtc.sdp.errors import SdpError

MAX_CHARS = 64_000
MAX_LINES = 2_000
MAX_SECTIONS = 32
DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")

_LINE_END = re.compile(r"\r\n|\n|\r")
_M_LINE = re.compile(r"m=([!-~]+) +(\d{1,5})(?:/\d+)? +([!-~]+) +([!-~].*)", re.ASCII)


@dataclass(slots=True)
class Lines:
    """The lines of a session or a media section, and the attributes in them."""

    lines: list[str]

    def values(self, name: str) -> list[str]:
        head = f"a={name}:"
        return [line[len(head) :].strip() for line in self.lines if line.startswith(head)]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    def has(self, flag: str) -> bool:
        return f"a={flag}" in self.lines

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


@dataclass(frozen=True, slots=True)
class Description:
    """A description that has been read."""

    session: Lines
    sections: list[Section]

    def bundles(self) -> list[list[str]]:
        """The mids of each group of sections that share a transport (RFC 9143)."""
        groups = (value.split() for value in self.session.values("group"))
        return [group[1:] for group in groups if group[:1] == ["BUNDLE"]]


def decimal(text: str, most_digits: int) -> int | None:
    """A number written in so few ASCII digits, else None: more digits may be too many for int()."""
    return int(text) if len(text) <= most_digits and re.fullmatch("[0-9]+", text) else None


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
    """The description in `text`; raises SdpError where it is none, or too large."""
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
