"""Pictures in shared memory: whole, bounded, and released."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest

from edge.ipc.picture import Picture
from edge.ipc.shared_memory import (
    NoFreeSlotError,
    PictureTooLargeError,
    SharedPictures,
    SlotPicture,
    slot_bytes,
)
from tests.workers.recorder import noise


@pytest.fixture
def slots() -> Iterator[SharedPictures]:
    made = SharedPictures.create(4, slot_bytes(640 * 480))
    yield made
    made.close()


def same(one: Picture, other: Picture) -> bool:
    return (
        (one.width, one.height, one.full_range) == (other.width, other.height, other.full_range)
        and np.array_equal(one.y, other.y)
        and np.array_equal(one.u, other.u)
        and np.array_equal(one.v, other.v)
    )


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (17, 31), (319, 241), (640, 480), (480, 640)])
def test_pictures_arrive_as_they_were(slots: SharedPictures, size: tuple[int, int]) -> None:
    pictures = [noise(*size, seed=seed) for seed in range(4)]
    taken = slots.put(pictures)
    theirs = SharedPictures(
        os.dup(slots.fd), slots.count, slots.size
    )  # as the other process maps it
    for index, picture in zip(taken, pictures, strict=True):
        found = theirs.get(index, picture.width, picture.height, picture.full_range)
        assert same(found, picture)
    del found
    theirs.close()


def test_views_into_a_larger_picture_arrive_packed(slots: SharedPictures) -> None:
    whole = noise(640, 480)
    part = Picture(320, 240, whole.y[:240, :320], whole.u[:120, :160], whole.v[:120, :160])
    (index,) = slots.put([part])
    assert same(slots.get(index, 320, 240, False), part)


def test_a_batch_that_does_not_fit_takes_nothing(slots: SharedPictures) -> None:
    slots.put([noise(64, 64)] * 3)
    with pytest.raises(NoFreeSlotError, match="2 pictures, but 1 of 4"):
        slots.put([noise(64, 64)] * 2)
    assert slots.free == 1


def test_a_picture_larger_than_a_slot_is_refused_with_its_size(slots: SharedPictures) -> None:
    with pytest.raises(PictureTooLargeError, match="3840x2160"):
        slots.put([noise(64, 64), noise(3840, 2160)])
    assert slots.free == 4


def test_a_picture_that_lies_about_its_planes_costs_no_slot(slots: SharedPictures) -> None:
    picture = noise(64, 64)
    liar = Picture(66, 64, picture.y, picture.u, picture.v)
    with pytest.raises(ValueError, match="broadcast"):
        slots.put([picture, liar])
    assert slots.free == 4


def test_slots_are_given_back_and_used_again(slots: SharedPictures) -> None:
    for seed in range(20):
        pictures = [noise(65, 33, seed=seed + extra) for extra in range(3)]
        taken = slots.put(pictures)
        assert len(set(taken)) == 3
        assert all(
            same(slots.get(index, 65, 33, picture.full_range), picture)
            for index, picture in zip(taken, pictures, strict=True)
        )
        slots.release(taken)
    assert slots.free == 4


@pytest.mark.parametrize(
    ("index", "width", "height"), [(4, 8, 8), (-1, 8, 8), (0, 0, 8), (0, 8, -1), (0, 4000, 4000)]
)
def test_no_picture_is_made_of_what_lies_outside_a_slot(
    slots: SharedPictures, index: int, width: int, height: int
) -> None:
    with pytest.raises(ValueError, match=r"slot"):
        slots.get(index, width, height, False)


def test_neither_side_can_shrink_the_memory(slots: SharedPictures) -> None:
    with pytest.raises(PermissionError):
        os.ftruncate(slots.fd, 4096)


def test_close_gives_the_descriptor_back(slots: SharedPictures) -> None:
    fd = slots.fd
    slots.close()
    slots.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_slot_holds_the_largest_picture_either_way_round() -> None:
    size = slot_bytes(1920 * 1088)
    assert noise(1920, 1088).nbytes <= size
    assert noise(1088, 1920).nbytes <= size
    assert size % os.sysconf("SC_PAGE_SIZE") == 0


def test_a_picture_that_cannot_be_in_its_slot_is_refused() -> None:
    slots = SharedPictures.create(2, slot_bytes(64 * 64))
    for slot, size in ((2, (32, 16)), (-1, (32, 16)), (0, (4096, 4096)), (0, (0, 16))):
        with pytest.raises(ValueError, match="slot|picture"):
            SlotPicture(slots, slot, size)
    picture = SlotPicture(slots, 0, (32, 16))
    slots.close()
    with pytest.raises(ValueError, match="released"):
        picture.write_into(memoryview(bytearray(picture.nbytes)))
