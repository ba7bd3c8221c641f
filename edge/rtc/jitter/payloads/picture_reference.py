"""What a picture refers to, as a payload descriptor tells it."""

from __future__ import annotations

from dataclasses import dataclass, replace

ID_BITS = 15  # of a picture id; those of 7 bits are unwrapped by their own width


@dataclass(frozen=True, slots=True)
class PictureReference:
    """A picture's place among those of its stream.

    `picture_id` has `id_bits` bits (7 or 15), None where there is none. `differences` are how many
    pictures ago those are to which it refers, None where they are not told with it; `group` are the
    same for each picture of a repeated group of pictures that begins with this one. `temporal` is
    its temporal layer; no picture refers to one of a higher layer. `predicted`: it refers to
    earlier pictures at all. `layered`: it may have several spatial layers.
    """

    picture_id: int | None = None
    id_bits: int = ID_BITS
    temporal: int = 0
    predicted: bool = True
    layered: bool = False
    differences: frozenset[int] | None = None
    group: tuple[frozenset[int], ...] = ()

    def merged(self, other: PictureReference | None) -> PictureReference:
        """With what another packet of the same picture tells."""
        if other is None or other == self:
            return self
        differences = self.differences
        if differences is None or other.differences is None:
            differences = other.differences if differences is None else differences
        else:
            differences = differences | other.differences
        predicted = self.predicted or other.predicted
        group = self.group or other.group
        return replace(self, predicted=predicted, differences=differences, group=group)
