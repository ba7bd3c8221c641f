"""A picture that an ingest process left in shared memory."""

from __future__ import annotations

from edge.ipc.picture import picture_bytes
from edge.ipc.shared_memory import SharedPictures


class SlotPicture:
    """Packed planes in a slot, copied from there straight to where they are wanted.

    ValueError for what can't be in a slot, now or, once the memory is gone, when it is copied.
    """

    def __init__(
        self, slots: SharedPictures, slot: int, size: tuple[int, int], full_range: bool = False
    ) -> None:
        self.width, self.height = size
        self.full_range = full_range
        if self.width < 1 or self.height < 1:
            raise ValueError(f"a picture of {self.width}x{self.height}")
        self.nbytes = picture_bytes(self.width, self.height)
        self._slots = slots
        self._slot = slot
        slots.packed(slot, self.nbytes)  # it could be there

    def write_into(self, buffer: memoryview) -> int:
        """Copy the planes to the start of `buffer`; returns `nbytes`."""
        with self._slots.packed(self._slot, self.nbytes) as planes:
            buffer[: self.nbytes] = planes
        return self.nbytes
