"""A batch that memory does not hold is run in parts; what one picture does is passed on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from edge.ipc.picture import Picture
from edge.workers.messages import Box
from edge.workers.split_batch import RETRY_MS, Parts, is_out_of_memory


class Small:
    """Holds `memory` pictures at once; keeps the sizes of what it was asked."""

    def __init__(self, memory: int, usable: bool = True) -> None:
        self.memory, self.usable = memory, usable
        self.asked: list[int] = []
        self.took_ms: float | None = None

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        self.asked.append(len(pictures))
        if len(pictures) > self.memory:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [[(picture.width, 1.0, 0.0, 0.0, 1.0, 1.0)] for picture in pictures]

    def device_ms(self) -> float | None:
        return self.took_ms

    def healthy(self) -> bool:
        return self.usable


def _pictures(count: int) -> list[Picture]:
    sizes = [(16 + 2 * n, 16) for n in range(count)]
    return [
        Picture.from_buffer(memoryview(bytearray(w * h * 3 // 2)), w, h, False) for w, h in sizes
    ]


def test_each_picture_gets_its_own_boxes_in_however_many_parts() -> None:
    small = Small(memory=2)
    parts = Parts(small)
    pictures = _pictures(7)
    widths = [boxes[0][0] for boxes in parts.detect(pictures, "v", 0.0)]
    assert widths == [picture.width for picture in pictures]
    assert small.asked == [7, 4, 2, 2, 2, 1]
    small.asked.clear()
    parts.detect(pictures, "v", 1.0)
    assert small.asked == [2, 2, 2, 1]  # it is known by now
    small.asked.clear()
    small.memory = 8
    parts.detect(pictures, "v", RETRY_MS)
    assert small.asked == [7]  # and tried again after a while


def test_variants_are_known_apart() -> None:
    small = Small(memory=2)
    parts = Parts(small)
    parts.detect(_pictures(4), "large", 0.0)
    small.asked.clear()
    parts.detect(_pictures(2), "small", 0.0)
    assert small.asked == [2]


@pytest.mark.parametrize("small", [Small(memory=0), Small(memory=2, usable=False)])
def test_what_cannot_be_helped_is_raised(small: Small) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        Parts(small).detect(_pictures(4), "v", 0.0)


def test_other_errors_are_not_memory() -> None:
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("out of memory, it says"))


def test_the_device_took_what_its_parts_took() -> None:
    small = Small(memory=2)
    parts = Parts(small)
    parts.detect(_pictures(4), "v", 0.0)
    assert parts.device_ms is None
    small.took_ms = 3.0
    parts.detect(_pictures(4), "v", 1.0)
    assert parts.device_ms == 6.0
