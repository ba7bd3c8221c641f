"""Simulcast: of the layers that a publisher offers, the one that it is asked to send (RFC 8853).

The others cost its uplink and serve nobody, as every frame has one answer. The best layer is the
smallest with all that a network can see, where the offer gives sizes; else the largest, by what the
layers are called or, if that says nothing, by their order: encodings go from small to large
(`scaleResolutionDownBy` in the W3C's WebRTC, section 5.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge.profile.variant import LONG_SIDES
from edge.rtc.sdp.description import Section, decimal

MAX_LAYERS = 16  # of an offer; further ones are ignored

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_SEND = re.compile(r"(?:^|\s)send\s+(\S+)")
_HEIGHT = re.compile(r"[A-Za-z_-]*[0-9]{3,4}p?")  # a layer called by its height: "720p"
_SCALES = (
    ("q", "quarter", "h", "half", "f", "full"),
    ("s", "small", "m", "medium", "l", "large"),
    ("l", "lo", "low", "m", "mid", "medium", "h", "hi", "high"),
)
"""Names of layers, from small to large; a scale counts if it has all of an offer's."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer by its `rid`; `restrictions` are those of the offer, without payload types."""

    rid: str
    restrictions: tuple[str, ...] = ()

    @property
    def long_side(self) -> int | None:
        """In pixels, where the offer gives it."""
        sides = [_number(each) for each in self.restrictions if _key(each) in _SIDES]
        return max((side for side in sides if side), default=None)

    @property
    def lines(self) -> list[str]:
        """Of the answer."""
        restricted = f" {';'.join(self.restrictions)}" if self.restrictions else ""
        return [f"a=rid:{self.rid} recv{restricted}", f"a=simulcast:recv {self.rid}"]


_SIDES = ("max-width", "max-height")


def read_groups(video: Section, semantics: str) -> list[tuple[int, ...]]:
    """The sources (SSRC) that an offer groups (RFC 5576, section 4.2), at most `MAX_LAYERS` groups.

    `semantics` is "SIM": layers, without rids; or "FID": a source and that of its retransmissions.
    """
    groups = [value.split() for value in video.values("ssrc-group")]
    sources = [
        [decimal(each, 10) for each in parts[1:]] for parts in groups if parts[:1] == [semantics]
    ]
    return [tuple(each for each in group if each is not None) for group in sources[:MAX_LAYERS]]


def choose_layer(video: Section, payload_types: Iterable[int]) -> Layer | None:
    """The best layer of a section that can be sent with one of these payload types.

    None where there is no simulcast.
    """
    layers = _layers(video, {str(number) for number in payload_types})
    if not layers:
        return None
    sides = [layer.long_side for layer in layers]
    sized = [(side, layer) for side, layer in zip(sides, layers, strict=True) if side]
    if len(sized) == len(layers):
        enough = [each for each in sized if each[0] >= LONG_SIDES[-1]]
        best = min(enough, key=_side) if enough else max(sized, key=_side)
        return best[1]
    heights = [_HEIGHT.fullmatch(layer.rid) for layer in layers]
    if all(heights):
        return max(layers, key=lambda layer: int(re.sub(r"\D", "", layer.rid)))
    names = [layer.rid.lower() for layer in layers]
    scale = next((scale for scale in _SCALES if set(names) <= set(scale)), None)
    if scale is not None:
        return max(layers, key=lambda layer: scale.index(layer.rid.lower()))
    return layers[-1]


def _side(sized: tuple[int, Layer]) -> int:
    return sized[0]


def _layers(video: Section, payload_types: set[str]) -> list[Layer]:
    """The layers that the offer would send, in its order; of alternatives, the first usable."""
    known: dict[str, Layer] = {}
    for value in video.values("rid"):
        rid, _, rest = value.partition(" ")
        direction, _, text = rest.strip().partition(" ")
        if direction != "send" or _ID.fullmatch(rid) is None:
            continue
        restrictions = [each.strip() for each in text.split(";") if each.strip()]
        types = next((each[3:].split(",") for each in restrictions if _key(each) == "pt"), None)
        if types is None or payload_types & set(types):
            kept = tuple(each for each in restrictions if _key(each) != "pt")
            known.setdefault(rid, Layer(rid, kept))
    match = _SEND.search(video.value("simulcast") or "")
    if match is None:
        return []
    streams = [stream.split(",") for stream in match[1].split(";")][:MAX_LAYERS]
    running = [[rid for rid in stream if not rid.startswith("~")] for stream in streams]
    found = (next((known[rid] for rid in stream if rid in known), None) for stream in running)
    return [layer for layer in found if layer is not None]


def _key(restriction: str) -> str:
    return restriction.partition("=")[0]


def _number(restriction: str) -> int:
    text = restriction.partition("=")[2]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
