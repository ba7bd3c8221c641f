"""Senders of H264 as public bug reports describe them: real streams, cut and marked their way."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.rtc.numbered import AccessUnit
from tests.rtc.streams import PER_FRAME, Packet

MAX_BYTES = 500
FIRST_RTP = 90_000
AUD, FILLER = b"\x09\xf0", b"\x0c" + b"\xff" * 40 + b"\x80"
SEI = b"\x06\x05\x10" + bytes(range(1, 17)) + b"\x80"  # user data
EMPTY = b"\x78\x00\x00\x00\x00"  # a STAP-A of two units of no length

Piece = tuple[bytes, bool]  # a payload and whether it has the marker


def rtp_of(number: int) -> int:
    """The timestamp of the picture with this number: its time of display."""
    return (FIRST_RTP + number * PER_FRAME) & 0xFFFFFFFF


def fragments(unit: bytes, size: int = MAX_BYTES, *, end_bit: bool = True) -> list[bytes]:
    """A unit as one payload, or as FU-A where it is larger than `size`."""
    if len(unit) <= size:
        return [unit]
    parts = [unit[at : at + size] for at in range(1, len(unit), size)]
    ends = [0x40 if end_bit and index == len(parts) - 1 else 0 for index in range(len(parts))]
    return [
        bytes([unit[0] & 0xE0 | 28, (0x80 if index == 0 else 0) | ends[index] | unit[0] & 0x1F])
        + part
        for index, part in enumerate(parts)
    ]


def aggregated(some: Iterable[bytes]) -> bytes:
    """Units in one STAP-A."""
    return b"\x78" + b"".join(len(unit).to_bytes(2, "big") + unit for unit in some)


@dataclass(frozen=True)
class Run:
    """Payloads that share a timestamp."""

    rtp: int
    pieces: list[Piece]


def _is_slice(unit: bytes) -> bool:
    return unit[0] & 0x1F in (1, 5)


def _marked(units: Iterable[bytes], marks: Callable[[bytes, bool], bool]) -> list[Piece]:
    """Each unit's payloads; `marks(unit, last)` tells whether its last payload has the marker."""
    listed = list(units)
    pieces: list[Piece] = []
    for index, unit in enumerate(listed):
        cut = fragments(unit)
        pieces += [(payload, False) for payload in cut[:-1]]
        pieces.append((cut[-1], marks(unit, index == len(listed) - 1)))
    return pieces


def _last(unit: bytes, last: bool) -> bool:
    return last


Sender = Callable[[AccessUnit, int], list[Run]]
"""A picture's packets; the second argument is the timestamp of the one sent before."""


def honest(picture: AccessUnit, before: int) -> list[Run]:
    return [Run(rtp_of(picture.number), _marked(picture.units, _last))]


def every_unit(picture: AccessUnit, before: int) -> list[Run]:
    return [Run(rtp_of(picture.number), _marked(picture.units, lambda unit, last: True))]


def every_packet(picture: AccessUnit, before: int) -> list[Run]:
    pieces = [(payload, True) for payload, _ in _marked(picture.units, _last)]
    return [Run(rtp_of(picture.number), pieces)]


def every_slice(picture: AccessUnit, before: int) -> list[Run]:
    marked = _marked(picture.units, lambda unit, last: _is_slice(unit))
    return [Run(rtp_of(picture.number), marked)]


def first_slice(picture: AccessUnit, before: int) -> list[Run]:
    head = picture.slices[0]
    return [Run(rtp_of(picture.number), _marked(picture.units, lambda unit, last: unit is head))]


def never(picture: AccessUnit, before: int) -> list[Run]:
    marked = _marked(picture.units, lambda unit, last: False)
    return [Run(rtp_of(picture.number), marked)]


def marked_parameters(picture: AccessUnit, before: int) -> list[Run]:
    marked = _marked(picture.units, lambda unit, last: last or not _is_slice(unit))
    return [Run(rtp_of(picture.number), marked)]


def _before(marker: bool) -> Sender:
    def send(picture: AccessUnit, before: int) -> list[Run]:
        own = Run(rtp_of(picture.number), _marked(picture.slices, _last))
        if not picture.others:
            return [own]
        return [Run(before, _marked(picture.others, lambda unit, last: marker)), own]

    return send


parameters_before = _before(False)
marked_parameters_before = _before(True)


def _apart(marker: bool) -> Sender:
    def send(picture: AccessUnit, before: int) -> list[Run]:
        rtp = rtp_of(picture.number)
        own = Run(rtp, _marked(picture.slices, _last))
        if not picture.others:
            return [own]
        return [Run(rtp - 900, _marked(picture.others, lambda unit, last: marker)), own]

    return send


parameters_apart = _apart(False)
marked_parameters_apart = _apart(True)


def delimited(picture: AccessUnit, before: int) -> list[Run]:
    units = [AUD, *picture.others, *picture.slices, SEI, FILLER]
    end = picture.slices[-1]
    return [Run(rtp_of(picture.number), _marked(units, lambda unit, last: unit is end))]


def delimited_marked(picture: AccessUnit, before: int) -> list[Run]:
    units = [AUD, *picture.others, SEI, *picture.slices, SEI, FILLER]
    return [Run(rtp_of(picture.number), _marked(units, lambda unit, last: True))]


def last_after_slices(picture: AccessUnit, before: int) -> list[Run]:
    units = [*picture.units, SEI, FILLER]
    return [Run(rtp_of(picture.number), _marked(units, _last))]


def mixed_aggregates(picture: AccessUnit, before: int) -> list[Run]:
    small = [unit for unit in picture.units if len(unit) < MAX_BYTES // 3]
    large = [unit for unit in picture.units if len(unit) >= MAX_BYTES // 3]
    first_large = picture.units.index(large[0]) if large else len(picture.units)
    head = [unit for unit in picture.units[:first_large] if unit in small]
    tail = picture.units[first_large:]
    pieces: list[Piece] = [(aggregated([b"", AUD, *head, b""]), not tail)]
    return [Run(rtp_of(picture.number), pieces + _marked(tail, _last))]


def empty_units(picture: AccessUnit, before: int) -> list[Run]:
    units = [EMPTY, *picture.units, EMPTY, b"\x0b"]  # and an end of the stream, in one byte
    end = picture.slices[-1]
    return [Run(rtp_of(picture.number), _marked(units, lambda unit, last: unit is end))]


def no_end_bits(picture: AccessUnit, before: int) -> list[Run]:
    cut = [payload for unit in picture.units for payload in fragments(unit, end_bit=False)]
    pieces = [(payload, index == len(cut) - 1) for index, payload in enumerate(cut)]
    return [Run(rtp_of(picture.number), pieces)]


def two_timestamps(picture: AccessUnit, before: int) -> list[Run]:
    """Slices after the first half have another timestamp."""
    rtp, half = rtp_of(picture.number), max(1, len(picture.slices) // 2)
    first = Run(rtp, _marked([*picture.others, *picture.slices[:half]], lambda unit, last: False))
    rest = Run(rtp + 900, _marked(picture.slices[half:], _last))
    return [first, rest] if rest.pieces else [Run(rtp, _marked(picture.units, _last))]


def two_marked_timestamps(picture: AccessUnit, before: int) -> list[Run]:
    """The same, each with a marker at its end."""
    runs = two_timestamps(picture, before)
    return [Run(run.rtp, [*run.pieces[:-1], (run.pieces[-1][0], True)]) for run in runs]


def slice_timestamps(picture: AccessUnit, before: int) -> list[Run]:
    """Each slice has the time at which it was made, up to sixteen."""
    runs = []
    for index, unit in enumerate(picture.slices):
        rtp = rtp_of(picture.number) + min(index, 15) * (30 + 5 * (picture.number % 3))
        pieces = [*(picture.others if index == 0 else []), unit]
        cut = _marked(pieces, _last)
        if unit is not picture.slices[-1]:
            cut[-1] = (cut[-1][0], False)
        runs.append(Run(rtp, cut))
    return runs


def filler_late(picture: AccessUnit, before: int) -> list[Run]:
    """Filler and messages of the picture before come late."""
    own = Run(rtp_of(picture.number), _marked(picture.units, _last))
    return [Run(before, _marked([SEI, FILLER, AUD], lambda unit, last: True)), own]


def without_parameters(picture: AccessUnit, before: int) -> list[Run]:
    """Parameter sets are in the SDP alone."""
    return [Run(rtp_of(picture.number), _marked(picture.slices, _last))]


SENDERS: dict[str, Sender] = {
    each.__name__: each
    for each in (
        honest,
        every_unit,
        every_packet,
        every_slice,
        first_slice,
        never,
        marked_parameters,
        delimited,
        delimited_marked,
        last_after_slices,
        mixed_aggregates,
        empty_units,
        no_end_bits,
        two_timestamps,
        two_marked_timestamps,
        slice_timestamps,
        filler_late,
    )
} | {
    "parameters_before": parameters_before,
    "marked_parameters_before": marked_parameters_before,
    "parameters_apart": parameters_apart,
    "marked_parameters_apart": marked_parameters_apart,
}


def packets(
    stream: Iterable[AccessUnit], sender: Sender, *, sequence: int = 65_400
) -> list[list[Packet]]:
    """Each picture's packets as the sender sends them."""
    sent = []
    before = rtp_of(-1)
    for picture in stream:
        one = []
        for run in sender(picture, before):
            for payload, marker in run.pieces:
                one.append(Packet(sequence, run.rtp & 0xFFFFFFFF, marker, payload, "h264"))
                sequence = (sequence + 1) & 0xFFFF
        before = rtp_of(picture.number)
        sent.append(one)
    return sent
