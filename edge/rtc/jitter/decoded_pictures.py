"""Which pictures can be decoded after a loss, where the stream tells what refers to what. Pure.

Without picture ids and references, a lost frame breaks all that follow, unless it says itself that
no other refers to it.
"""

from __future__ import annotations

from edge.rtc.jitter.frames import Assembly
from edge.rtc.jitter.payloads.picture_reference import PictureReference

_REMEMBERED = 256  # pictures: a difference has 7 bits in flexible mode, 8 in a group
_MAX_GAP = 32  # packets missing in a row: with more, picture ids of 7 bits may have come round
_MAX_UNDECODABLE = 8  # of a higher temporal layer in a row, until a key frame is requested


class DecodedPictures:
    """The pictures that have been decoded, by unwrapped id, since the last key frame."""

    def __init__(self) -> None:
        self.codec = ""  # of the last one
        self._decoded: set[int] = set()
        self._newest: int | None = None
        self._group: tuple[frozenset[int], ...] = ()
        self._group_start = 0
        self._has_holes = False  # a loss was survived, so references count
        self._undecodable: dict[int, int] = {}  # in a row, by temporal layer

    def are_of(self, frame: Assembly) -> bool:
        """Whether they have a frame's codec: else none of them and the frame refer to each other.

        A frame without a codec, of which nothing could be read, counts as one of theirs.
        """
        return frame.codec in ("", self.codec) or not self.codec

    def served(self, frame: Assembly, *, entry: bool) -> None:
        """A picture goes to the decoder; `entry`: decoding begins anew with it."""
        reference, self.codec = frame.reference, frame.codec
        if entry:
            self._decoded.clear()
            self._newest, self._group, self._has_holes = None, (), False
            self._undecodable.clear()
        elif reference is not None:
            self._undecodable.pop(reference.temporal, None)
        number = self._number(reference)
        if reference is None or number is None:
            return
        self._newest = number
        self._decoded.add(number)
        if len(self._decoded) > 2 * _REMEMBERED:
            self._decoded = {each for each in self._decoded if each > number - _REMEMBERED}
        if reference.group:
            self._group, self._group_start = reference.group, number

    def survives(self, lost: Assembly) -> bool:
        """Whether others can be decoded without a picture that is lost, of which packets came.

        What refers to one of a higher temporal layer is seen when it comes.
        """
        if not self.are_of(lost):
            return True
        reference = lost.reference
        if lost.droppable and not (reference is not None and reference.layered):
            return True
        if reference is None or reference.temporal == 0 or self._needed(reference) is None:
            return False
        self._has_holes = True
        return True

    def survives_gap(self, packets: int, following: Assembly | None) -> bool:
        """The same for whole pictures of which no packet came, by the one after them."""
        if packets > _MAX_GAP or following is None or following.reference is None:
            return False
        if not self.are_of(following):
            return False
        needed = self._needed(following.reference)
        if needed is None or (following.reference.temporal == 0 and not needed <= self._decoded):
            return False
        self._has_holes = True
        return True

    def lacks(self, reference: PictureReference | None) -> bool:
        """Whether a picture refers, for all that is known, to one that was not decoded."""
        if not self._has_holes:
            return False
        needed = self._needed(reference)
        return needed is None or not needed <= self._decoded

    def needs_key_frame(self, reference: PictureReference | None) -> bool:
        """A picture that lacks others is left out: whether only a key frame helps."""
        layer = reference.temporal if reference is not None else 0
        self._undecodable[layer] = self._undecodable.get(layer, 0) + 1
        return layer == 0 or self._undecodable[layer] >= _MAX_UNDECODABLE

    def _number(self, reference: PictureReference | None) -> int | None:
        """The unwrapped picture id, None where there is none, or it is no later than the last."""
        if reference is None or reference.picture_id is None:
            return None
        if self._newest is None:
            return reference.picture_id + (1 << 15)
        span = 1 << reference.id_bits
        ahead = (reference.picture_id - self._newest) % span
        return self._newest + ahead if 0 < ahead < span // 2 else None

    def _needed(self, reference: PictureReference | None) -> set[int] | None:
        """The pictures to which one refers, None where the stream does not tell."""
        number = self._number(reference)
        if reference is None or number is None or self._newest is None:
            return None
        differences = reference.differences
        if not reference.predicted:
            return set()
        if differences is None:
            group = reference.group or self._group
            if not group:
                return None
            start = number if reference.group else self._group_start
            differences = group[(number - start) % len(group)]
        if not differences:
            return None
        return {number - each for each in differences}
