"""The payload types of an offered video section that can be decoded (RFC 6184, 7741 and 9628).

What counts is what the decoder can do: every H264 profile that FFmpeg decodes, in packets that are
not interleaved. A type that can't be used leaves a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from edge.rtc.sdp.description import Section

CLOCK_RATE = "90000"
CODECS = ("vp8", "h264", "vp9", "av1")
"""What can be decoded, in the order of the answer where no other is wanted."""
_HELPERS = frozenset({"rtx", "red", "ulpfec", "flexfec-03", "flexfec"})  # carry no pictures
_PROFILE = re.compile(r"[0-9a-f]{6}", re.IGNORECASE)
_H264_PROFILES = frozenset({44, 66, 77, 88, 100, 110, 118, 122, 128, 244})
"""profile_idc that FFmpeg decodes (ITU-T H.264, annex A); of the multiview ones, the base view."""
_ANSWERED = {"vp9": ("profile-id",), "av1": ("profile", "level-idx", "tier")}
_FEEDBACK = frozenset({"nack", "nack pli", "ccm fir", "goog-remb", "transport-cc"})
_SHOWN = 3  # reasons in one message
_TYPES = frozenset(map(str, range(128)))
_MARKED_AS_RTCP = range(64, 96)  # with the marker bit, these look like RTCP (RFC 5761, section 4)


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type to receive.

    `name` is one of `CODECS`, `encoding` the same as the offer spells it. `parameters` are the
    offer's (a=fmtp, names in lower case), `feedback` those of its
    a=rtcp-fb values that mean something here. `rtx` is the payload
    type of its retransmissions (RFC 4588).
    """

    payload_type: int
    name: str
    encoding: str
    parameters: dict[str, str] = field(default_factory=dict)
    feedback: tuple[str, ...] = ()
    rtx: int | None = None

    @property
    def answer_parameters(self) -> dict[str, str]:
        """What has to be the same in the answer (RFC 6184, 8.2.2; RFC 9628, 6.2; AV1, 7.2)."""
        if self.name != "h264":
            names = _ANSWERED.get(self.name, ())
            return {name: self.parameters[name] for name in names if name in self.parameters}
        names = ("level-asymmetry-allowed", "packetization-mode", "profile-level-id")
        kept = {name: self.parameters[name] for name in names if name in self.parameters}
        if _PROFILE.fullmatch(kept.get("profile-level-id", "")) is None:
            kept.pop("profile-level-id", None)
        return kept


@dataclass(slots=True)
class CodecChoice:
    """The codecs of a section, in the order of the answer, and why others can't be used."""

    codecs: list[Codec] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    @property
    def reason(self) -> str:
        """In a sentence, why there is no codec."""
        if not self.refusals:
            return "the offer has no video codec: retransmission or error correction alone"
        shown = "; ".join(self.refusals[:_SHOWN])
        more = len(self.refusals) - _SHOWN
        return f"the offer's video can't be decoded: {shown}" + (f"; {more} more" * (more > 0))


def choose_codecs(section: Section, wanted: Sequence[str] = CODECS) -> CodecChoice:
    """Judge every payload type of a video section; `wanted` are the names that are used.

    They come in that order, H264 with several NAL units in a packet before other H264; else in the
    offer's order.
    """
    choice = CodecChoice()
    maps = _by_type(section, "rtpmap")
    parameters = _parameters(section)
    feedback = _feedback(section)
    numbers = dict.fromkeys(section.formats)
    refusals: dict[str, None] = {}
    retransmissions = {
        parameters[number].get("apt"): number
        for number in numbers
        if _encoding(maps.get(number, ""))[0].lower() == "rtx" and number in parameters
        if _type_refusal(number) is None
    }
    for number in numbers:
        if number not in maps:
            refusals[f"payload type {number[:20]} has no a=rtpmap"] = None
            continue
        encoding, rate = _encoding(maps[number])
        if encoding.lower() in _HELPERS:
            continue
        own = parameters.get(number, {})
        refusal = _refusal(number, encoding, rate, own, wanted)
        if refusal is not None:
            refusals[refusal] = None
            continue
        again = retransmissions.get(number)
        choice.codecs.append(
            Codec(
                payload_type=int(number),
                name=encoding.lower(),
                encoding=encoding,
                parameters=own,
                feedback=_joined(feedback.get("*"), feedback.get(number)),
                rtx=int(again) if again is not None else None,
            )
        )
    choice.refusals = [*refusals]
    choice.codecs.sort(key=lambda codec: (wanted.index(codec.name), _is_single(codec)))
    return choice


def _is_single(codec: Codec) -> bool:
    """Whether it is H264 with one NAL unit in a packet."""
    return codec.name == "h264" and codec.parameters.get("packetization-mode") != "1"


def _refusal(
    number: str, encoding: str, rate: str, own: dict[str, str], wanted: Sequence[str]
) -> str | None:
    name = encoding.lower()
    if name not in wanted:
        why = "switched off" if name in CODECS else "not decoded"
        return f"{encoding[:20]} is {why} (this server takes {', '.join(wanted).upper()})"
    if rate != CLOCK_RATE:
        return f"{encoding} has a clock of {rate[:20]} Hz instead of {CLOCK_RATE}"
    if (refusal := _type_refusal(number)) is not None:
        return refusal
    key = {"vp9": "profile-id", "av1": "profile"}.get(name, "")
    if (profile := own.get(key, "0")) != "0":
        return f"{encoding} of {key}={profile[:20]} is not decoded (0 is)"
    if name == "h264":
        mode = own.get("packetization-mode", "0")
        if mode not in ("0", "1"):
            return f"H264 with packetization-mode={mode[:20]} is not supported (0 and 1 are)"
        level = own.get("profile-level-id", "")
        if _PROFILE.fullmatch(level) and int(level[:2], 16) not in _H264_PROFILES:
            return f"H264 of profile-level-id={level} is not decoded"
    return None


def _type_refusal(number: str) -> str | None:
    if number not in _TYPES:
        return f"{number[:20]!r} is no payload type (0 to 127)"
    if int(number) in _MARKED_AS_RTCP:
        return f"payload type {int(number)} can't be told from RTCP (RFC 5761, section 4)"
    return None


def _by_type(section: Section, name: str) -> dict[str, str]:
    """The first value of an attribute for each payload type."""
    found: dict[str, str] = {}
    for value in section.values(name):
        number, _, rest = value.partition(" ")
        found.setdefault(number, rest.strip())
    return found


def _encoding(text: str) -> tuple[str, str]:
    name, _, rest = text.partition("/")
    return name.strip(), rest.partition("/")[0].strip()


def _parameters(section: Section) -> dict[str, dict[str, str]]:
    """Those of each payload type, of all its lines: some publishers write several."""
    found: dict[str, dict[str, str]] = {}
    for line in section.values("fmtp"):
        number, _, text = line.partition(" ")
        for each in filter(None, text.split(";")):
            name, _, value = each.partition("=")
            if name.strip():
                found.setdefault(number, {}).setdefault(name.strip().lower(), value.strip())
    return found


def _feedback(section: Section) -> dict[str, dict[str, None]]:
    """The known kinds by payload type, or by `*`, which is every type."""
    found: dict[str, dict[str, None]] = {}
    for value in section.values("rtcp-fb"):
        number, _, kind = value.partition(" ")
        if (kind := " ".join(kind.split())) in _FEEDBACK:
            found.setdefault(number, {})[kind] = None
    return found


def _joined(*parts: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each for part in parts for each in part or ()))
