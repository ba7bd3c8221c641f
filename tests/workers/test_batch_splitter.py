"""A batch that memory does not hold is run in parts; what one picture does is passed on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.workers.batch_splitter import RETRY_MS, BatchSplitter, is_out_of_memory
from edge.workers.messages import WarmupBatch


class Small:
    """Holds `capacity` pictures at once; keeps the sizes of what it was batches."""

    def __init__(self, capacity: int, usable: bool = True) -> None:
        self.capacity, self.usable = capacity, usable
        self.batches: list[int] = []
        self.detect_ms: float | None = None

    description = "small"

    def warm_up(self, warm: WarmupBatch) -> None: ...

    def memory(self) -> None: ...

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        self.batches.append(len(pictures))
        if len(pictures) > self.capacity:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return [[(picture.width, 1.0, 0.0, 0.0, 1.0, 1.0)] for picture in pictures]

    def device_ms(self) -> float | None:
        return self.detect_ms

    def healthy(self) -> bool:
        return self.usable


def _pictures(count: int) -> list[Picture]:
    sizes = [(16 + 2 * n, 16) for n in range(count)]
    return [
        Picture.from_buffer(memoryview(bytearray(w * h * 3 // 2)), w, h, False) for w, h in sizes
    ]


def test_each_picture_gets_its_own_boxes_in_however_many_parts() -> None:
    small = Small(capacity=2)
    splitter = BatchSplitter(small)
    pictures = _pictures(7)
    widths = [boxes[0][0] for boxes in splitter.detect(pictures, "v", 0.0)]
    assert widths == [picture.width for picture in pictures]
    assert small.batches == [7, 4, 2, 2, 2, 1]
    small.batches.clear()
    splitter.detect(pictures, "v", 1.0)
    assert small.batches == [2, 2, 2, 1]  # the limit is remembered
    small.batches.clear()
    small.capacity = 8
    splitter.detect(pictures, "v", RETRY_MS)
    assert small.batches == [7]  # and tried again after a while


def test_variants_are_known_apart() -> None:
    small = Small(capacity=2)
    splitter = BatchSplitter(small)
    splitter.detect(_pictures(4), "large", 0.0)
    small.batches.clear()
    splitter.detect(_pictures(2), "small", 0.0)
    assert small.batches == [2]


@pytest.mark.parametrize("small", [Small(capacity=0), Small(capacity=2, usable=False)])
def test_what_cannot_be_helped_is_raised(small: Small) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        BatchSplitter(small).detect(_pictures(4), "v", 0.0)


def test_other_errors_are_not_memory() -> None:
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("out of memory, it says"))


def test_the_device_took_what_its_parts_took() -> None:
    small = Small(capacity=2)
    splitter = BatchSplitter(small)
    splitter.detect(_pictures(4), "v", 0.0)
    assert splitter.device_ms is None
    small.detect_ms = 3.0
    splitter.detect(_pictures(4), "v", 1.0)
    assert splitter.device_ms == 6.0
