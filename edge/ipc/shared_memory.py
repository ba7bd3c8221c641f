"""Pictures in shared memory: a fixed number of equal slots in one memfd.

A memfd rather than a file under /dev/shm, which containers limit to 64 MiB. Its size is sealed, so
that neither process can shrink it while the other uses it.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence

from edge.ipc.picture import Packable, Picture, picture_bytes


class PictureTooLargeError(ValueError):
    """A picture that is larger than a slot."""


class NoFreeSlotError(RuntimeError):
    """Too few slots are free for the pictures; none was used."""


def slot_bytes(max_pixels: int) -> int:
    """Bytes of a slot for pictures of up to `max_pixels`, in whole pages.

    An odd side's chroma is rounded up: by less than half the sides' sum, which fits 16 bits.
    """
    pages = -(-(max_pixels * 3 // 2 + 0xFFFF) // mmap.PAGESIZE)
    return pages * mmap.PAGESIZE


class SharedPictures:
    """One process' view of the slots. The one that fills them also knows which are free.

    Bounded: `put` raises NoFreeSlotError when too few are free, and the caller drops the pictures.
    Freed slots are used again first, while their memory is still in the processor's cache.
    """

    def __init__(self, fd: int, count: int, size: int) -> None:
        """Map `count` slots of `size` bytes in `fd`, which this object then owns."""
        self.fd = fd
        self.count = count
        self.size = size
        try:
            self._map = mmap.mmap(fd, count * size)
        except (OSError, ValueError):
            os.close(fd)
            raise
        self._view = memoryview(self._map)
        self._free = list(range(count))

    @classmethod
    def create(cls, count: int, size: int) -> SharedPictures:
        """Fresh slots in new memory; pages cost nothing until they are first used."""
        fd = os.memfd_create("edge-pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, count * size)
        fcntl.fcntl(
            fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        )
        return cls(fd, count, size)

    @property
    def free(self) -> int:
        return len(self._free)

    def put(self, pictures: Sequence[Packable]) -> list[int]:
        """Copy pictures into free slots and return those.

        PictureTooLargeError or NoFreeSlotError, and then no slot is used.
        """
        for picture in pictures:
            if picture.nbytes > self.size:
                raise PictureTooLargeError(
                    f"a {picture.width}x{picture.height} picture has {picture.nbytes} bytes, "
                    f"a slot {self.size}: raise max_pixels"
                )
        if len(pictures) > len(self._free):
            raise NoFreeSlotError(
                f"{len(pictures)} pictures, but {len(self._free)} of {self.count} slots are free"
            )
        indices = [self._free.pop() for _ in pictures]
        try:
            for index, picture in zip(indices, pictures, strict=True):
                picture.write_into(self._slot(index))
        except BaseException:
            self.release(indices)
            raise
        return indices

    def get(self, index: int, width: int, height: int, full_range: bool) -> Picture:
        """The picture in a slot, as views of the shared memory; ValueError if it can't be one."""
        if not 0 <= index < self.count:
            raise ValueError(f"slot {index} of {self.count}")
        if width < 1 or height < 1 or picture_bytes(width, height) > self.size:
            raise ValueError(f"a {width}x{height} picture in a slot of {self.size} bytes")
        return Picture.from_buffer(self._slot(index), width, height, full_range)

    def packed(self, index: int, nbytes: int) -> memoryview:
        """The first bytes of a slot; release the view soon, since it keeps the memory mapped."""
        if not 0 <= index < self.count or not 0 <= nbytes <= self.size:
            raise ValueError(f"{nbytes} bytes of slot {index}, of {self.count} of {self.size}")
        return self._view[index * self.size : index * self.size + nbytes]

    def release(self, indices: Sequence[int]) -> None:
        """Give slots back; each exactly once."""
        self._free.extend(reversed(indices))

    def close(self) -> None:
        """Unmap and close; pictures from `get` must be released by now. Twice is harmless."""
        if self.fd >= 0:
            self._view.release()
            self._map.close()
            os.close(self.fd)
            self.fd = -1

    def _slot(self, index: int) -> memoryview:
        return self._view[index * self.size : (index + 1) * self.size]


class SlotPicture:
    """A packed picture in a slot, to be copied from there straight to its destination.

    ValueError for a picture that can't be in the slot, now or, once the memory is unmapped, when it
    is copied.
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
        slots.packed(slot, self.nbytes)  # checks the bounds

    def write_into(self, buffer: memoryview) -> int:
        """Copy the planes to the start of `buffer`; returns `nbytes`."""
        with self._slots.packed(self._slot, self.nbytes) as planes:
            buffer[: self.nbytes] = planes
        return self.nbytes
