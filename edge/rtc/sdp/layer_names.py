"""Which layer of a simulcast is the largest, by what the layers are called. Pure.

A name tells that only among names of one scale: "h" is half the size of "f", and larger than "l".
Numbers tell nothing, as both orders are in use; heights do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

MAX_PARTS = 8  # of a name; one with more tells nothing

_SCALES = (
    ("q", "quarter", "h", "half", "f", "full"),
    ("xs", "tiny", "s", "small", "m", "mid", "medium", "l", "large", "big", "xl"),
    ("l", "lo", "low", "m", "mid", "med", "medium", "h", "hi", "high", "ultra"),
    ("low", "sd", "std", "standard", "normal", "hd", "high"),
    ("ld", "sd", "hd", "fhd", "uhd"),
    ("lq", "sq", "mq", "hq"),
    ("lores", "lowres", "midres", "hires", "highres"),
    ("min", "minimum", "mid", "medium", "max", "maximum"),
    ("thumb", "thumbnail", "preview", "main"),
    ("lowest", "low", "medium", "high", "highest"),
    ("worst", "best"),
)
"""Words from small to large; a scale counts if it has all of an offer's."""
_RANKS = tuple({word: rank for rank, word in enumerate(scale)} for scale in _SCALES)
_PART = re.compile(r"[0-9]+(?:p(?![a-z]))?|[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_HEIGHT = re.compile(r"([0-9]{3,4})p?")


def largest(names: Sequence[str]) -> int | None:
    """The place of the largest layer's name; None where the names do not tell.

    Names are compared as a whole ("hires") and by the parts in which they differ ("video-high",
    "cameraLow_180p"); what several parts tell has to be the same.
    """
    whole = _largest_word([name.lower() for name in names])
    if whole is not None or len(names) < 2:
        return whole
    parts = [[part.lower() for part in _PART.findall(name[:100])] for name in names]
    if len({len(each) for each in parts}) > 1 or not 0 < len(parts[0]) <= MAX_PARTS:
        return None
    told = [_largest_word(column) for column in zip(*parts, strict=True) if len(set(column)) > 1]
    places = {place for place in told if place is not None}
    return places.pop() if len(places) == 1 else None


def _largest_word(words: Sequence[str]) -> int | None:
    """The same of single words; all scales that have them must tell the same."""
    if len(set(words)) < len(words):
        return None
    heights = [_HEIGHT.fullmatch(word) for word in words]
    ranked = [[int(height[1]) for height in heights if height]]
    ranked += [[ranks[word] for word in words if word in ranks] for ranks in _RANKS]
    places = {ranks.index(max(ranks)) for ranks in ranked if ranks and len(ranks) == len(words)}
    return places.pop() if len(places) == 1 else None
