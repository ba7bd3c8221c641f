"""Simulcast: of the layers that a publisher offers, those that it is asked to send (RFC 8853).

One is enough, as every frame has one answer, and the others cost the publisher's uplink: the
smallest with all that a network can see, where the offer gives sizes; else the largest, by what the
layers are called. Where neither tells, all are asked for, and the best of what comes is served
(`edge.rtc.sources`): encodings should go from small to large (W3C's WebRTC, section 5.1), but many
publishers list the largest first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from edge.profile.variant import LONG_SIDES
from edge.rtc.sdp.description import Section, decimal
from edge.rtc.sdp.layer_names import largest

MAX_LAYERS = 8  # of an offer; further ones are ignored. As many sources are known at a time
MAX_GROUPS = 16  # of sources, and as many sources in one
MAX_RESTRICTIONS = 16  # of a layer

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_SEND = re.compile(r"(?:^|\s)send\s+(\S+)")


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
    def line(self) -> str:
        """Of the answer."""
        restricted = f" {';'.join(self.restrictions)}" if self.restrictions else ""
        return f"a=rid:{self.rid} recv{restricted}"


_SIDES = ("max-width", "max-height")


def read_groups(video: Section, semantics: str) -> list[tuple[int, ...]]:
    """The sources (SSRC) that an offer groups (RFC 5576, section 4.2), at most `MAX_GROUPS` groups.

    `semantics` is "SIM": layers, without rids; or "FID": a source and that of its retransmissions.
    """
    head = f"{semantics} "
    values = [each for each in video.values("ssrc-group") if each.startswith(head)][:MAX_GROUPS]
    groups = [value.split(maxsplit=MAX_GROUPS + 1)[1 : MAX_GROUPS + 1] for value in values]
    sources = [[decimal(each, 10) for each in group] for group in groups]
    return [tuple(each for each in group if each is not None) for group in sources]


def choose_layers(video: Section, payload_types: Iterable[int]) -> tuple[Layer, ...]:
    """The best layer of a section that can be sent with one of these payload types.

    All of them, in the offer's order, where it does not tell which is the best; none where there
    is no simulcast.
    """
    layers = _layers(video, {str(number) for number in payload_types})
    sides = [layer.long_side for layer in layers]
    sized = [(side, layer) for side, layer in zip(sides, layers, strict=True) if side]
    if sized and len(sized) == len(layers):
        enough = [each for each in sized if each[0] >= LONG_SIDES[-1]]
        best = min(enough, key=_side) if enough else max(sized, key=_side)
        return (best[1],)
    place = largest([layer.rid for layer in layers])
    return tuple(layers) if place is None else (layers[place],)


def answer_lines(layers: Sequence[Layer]) -> list[str]:
    """Of the answer's video section; none where there is no simulcast."""
    if not layers:
        return []
    rids = ";".join(layer.rid for layer in layers)
    return [*(layer.line for layer in layers), f"a=simulcast:recv {rids}"]


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
        words = text.split(";", MAX_RESTRICTIONS)[:MAX_RESTRICTIONS]
        restrictions = [each.strip() for each in words if each.strip()]
        types = next((each[3:].split(",") for each in restrictions if _key(each) == "pt"), None)
        if types is None or payload_types & set(types):
            kept = tuple(each for each in restrictions if _key(each) != "pt")
            known.setdefault(rid, Layer(rid, kept))
    match = _SEND.search(video.value("simulcast") or "")
    if match is None:
        return []
    streams = [each.split(",") for each in match[1].split(";", MAX_LAYERS)[:MAX_LAYERS]]
    running = [[rid for rid in stream if not rid.startswith("~")] for stream in streams]
    found = (next((known[rid] for rid in stream if rid in known), None) for stream in running)
    return [*dict.fromkeys(layer for layer in found if layer is not None)]


def _key(restriction: str) -> str:
    return restriction.partition("=")[0]


def _number(restriction: str) -> int:
    text = restriction.partition("=")[2]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
