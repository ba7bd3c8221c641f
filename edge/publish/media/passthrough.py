"""Encoded frames of a source, made fit to be sent as they are. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from edge.client.rtp import h264
from edge.client.rtp.rtp_packetiser import Codec

_LEFT_OUT = frozenset({h264.DELIMITER, h264.FILLER})  # the RTP marker and padding do their work

_RECOVERY_POINT = b"\x06"  # the payload type of the first SEI message in a unit
_MOST_SETS = 64  # parameter sets kept; further ones are sent, but not repeated


@dataclass(frozen=True, slots=True)
class ReadyFrame:
    """A frame for the packetiser. `keyframe`: a decoder can begin with it; `droppable`: no other
    frame refers to it."""

    data: bytes
    keyframe: bool
    droppable: bool


class H264Stream:
    """Byte streams with the parameter sets in band, before each frame a decoder can begin with.

    Those are IDR pictures, and what some cameras send instead: pictures with a recovery point
    (H264, D.2.8), or behind parameter sets.
    """

    def __init__(self, configuration: bytes = b"") -> None:
        """`configuration` is the source's codec extradata, in either form."""
        units, self._prefix = h264.units_of_configuration(configuration)
        self._sets_came = False  # since the last picture
        self._sets: dict[tuple[int, int], bytes] = {}  # by type and id, as the source has them
        for unit in units:
            self._keep(unit)

    def ready(self, packet: bytes) -> ReadyFrame | None:
        """The frame to send; None if there is no picture in it (parameter sets alone, say)."""
        if self._prefix:
            units = h264.units_by_length(packet, self._prefix)
        else:
            units = h264.units_of(packet)
        units = [unit for unit in units if h264.nal_type(unit) not in _LEFT_OUT]
        kinds = [h264.nal_type(unit) for unit in units]
        for unit in units:
            self._keep(unit)
        pictures = [unit for unit, kind in zip(units, kinds, strict=True) if 1 <= kind <= h264.IDR]
        self._sets_came = self._sets_came or h264.SPS in kinds
        if not pictures:
            return None
        keyframe = self._sets_came or any(map(_is_entry, units))
        self._sets_came = False
        if keyframe:
            present = {_set_key(unit) for unit in units}
            units = [unit for key, unit in sorted(self._sets.items()) if key not in present] + units
        droppable = not any(unit[0] & 0x60 for unit in pictures)  # nal_ref_idc 0
        return ReadyFrame(h264.byte_stream(units), keyframe, droppable)

    def _keep(self, unit: bytes) -> None:
        key = _set_key(unit)
        if key is not None and (key in self._sets or len(self._sets) < _MOST_SETS):
            self._sets[key] = unit


def _is_entry(unit: bytes) -> bool:
    """Whether the unit tells that a decoder can begin with its frame."""
    kind = h264.nal_type(unit)
    return kind == h264.IDR or (kind == h264.SEI and unit[1:2] == _RECOVERY_POINT)


def _set_key(unit: bytes) -> tuple[int, int] | None:
    """A parameter set's type and id (H264, 7.3.2.1 and 7.3.2.2); None for other units."""
    kind = h264.nal_type(unit)
    at = {h264.SPS: 4, h264.PPS: 1}.get(kind)
    if at is None or len(unit) <= at:
        return None
    bits = int.from_bytes(unit[at : at + 2].ljust(2, b"\0"), "big")
    zeros = 16 - bits.bit_length()  # an Exp-Golomb code: so many zeros, then one bit more
    return (kind, (bits >> (15 - 2 * zeros)) - 1) if zeros < 8 else None


class Vp8Stream:
    """VP8 frames, which need nothing added."""

    def ready(self, packet: bytes) -> ReadyFrame | None:
        """The frame to send; None if it is empty."""
        return ReadyFrame(packet, packet[0] & 1 == 0, False) if packet else None


def stream_of(codec: Codec, configuration: bytes) -> H264Stream | Vp8Stream:
    """The stream of a source with that codec and extradata."""
    return H264Stream(configuration) if codec == "h264" else Vp8Stream()
