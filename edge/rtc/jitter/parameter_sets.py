"""H264's parameter sets (SPS, PPS): kept from wherever they came, given to whom lacks them.

They come in front of a key frame, in packets of their own with whatever timestamp, once at the
beginning, or only in the SDP (sprop-parameter-sets, RFC 6184, section 8.1). Pure.
"""

from __future__ import annotations

import base64
import contextlib
import re
from collections.abc import Iterable

from edge.rtc.jitter.nal_units import PPS, SPS, START_CODE, parameter_set_id

MAX_UNIT_BYTES = 4096  # of one parameter set; usual ones have 10 to 40
MAX_SPROP_UNITS = 256  # of an offer, for all of its payload types
MAX_UNITS = 64  # with one more, it is not kept: an encoder uses one or two of each kind


def read_sprop(sdp: str) -> dict[int, list[bytes]]:
    """The parameter sets in an offer by payload type; unreadable ones are left out, as are those
    that come after `MAX_SPROP_UNITS`."""
    found: dict[int, list[bytes]] = {}
    left = MAX_SPROP_UNITS
    for match in re.finditer(r"^a=fmtp:(\d{1,3}) (.*)$", sdp, re.ASCII | re.MULTILINE):
        for parameter in filter(None, match[2].split(";")):
            name, _, value = parameter.strip().partition("=")
            if name.lower() == "sprop-parameter-sets":
                encodings = value.split(",", left)[:left]
                left -= len(encodings)
                for encoded in encodings:
                    with contextlib.suppress(ValueError):
                        unit = base64.b64decode(encoded.strip())
                        found.setdefault(int(match[1]), []).append(unit)
    return found


class ParameterSets:
    """The latest parameter set of each kind and id."""

    def __init__(self) -> None:
        self._units: dict[tuple[int, int], bytes] = {}
        self._from_sdp: dict[tuple[int, int], bytes] = {}
        self._came_in_band = False

    def add(self, units: Iterable[bytes], *, in_band: bool = True) -> None:
        """Keep sets; those from the SDP replace none that came with the video."""
        for unit in units:
            identity = parameter_set_id(unit)
            if identity is None or len(unit) > MAX_UNIT_BYTES:
                continue
            if identity not in self._units and len(self._units) >= MAX_UNITS:
                continue
            if not in_band:
                self._from_sdp[identity] = unit
            if in_band or not self._came_in_band:
                self._units[identity] = unit
            self._came_in_band = self._came_in_band or in_band

    def restart(self) -> None:
        """Another source, of which only the SDP has told."""
        self._units, self._came_in_band = dict(self._from_sdp), False

    @property
    def suffice(self) -> bool:
        """Whether a key frame without any can be decoded, and its sender sends none with it."""
        kinds = {kind for kind, _ in self._units}
        return {SPS, PPS} <= kinds and not self._came_in_band

    def missing_from(self, units: Iterable[bytes]) -> bytes:
        """What a key frame with these units lacks, in Annex B form."""
        present = {parameter_set_id(unit) for unit in units}
        kinds = {each[0] for each in present if each is not None}
        return b"".join(
            START_CODE + unit
            for (kind, _), unit in sorted(self._units.items())
            # Older PPS in front of a newer SPS would be dropped by the decoder, with reason.
            if kind not in kinds and (kind == SPS or SPS not in kinds)
        )
