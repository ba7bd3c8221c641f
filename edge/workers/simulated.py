"""A simulated device: it sleeps for as long as a profile says, and invents boxes."""

from __future__ import annotations

import math
import os
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.profile.latency_file import load_latency_profile
from edge.profile.variant import Variant
from edge.workers.messages import WarmupBatch

CELLS = 8  # a picture is divided into CELLS x CELLS
MAX_SIMULATED_BOXES = 3
_LEAST_CONTRAST = 16.0  # luma levels; a flat picture has no boxes
_CLASSES = 80  # as COCO has
_Z_99 = statistics.NormalDist().inv_cdf(0.99)


MEMORY = "EDGE_SIM_MEMORY"  # how many pictures its memory holds at once; unset: any number


class OutOfMemoryError(RuntimeError):
    """Stands for PyTorch's error of that name, without loading PyTorch."""


class SimulatedDevice:
    """A Device without a network: for tests, load and trials without a GPU.

    Latencies are log-normal about the profile's median, with the profile's 99th percentile as
    their 99th percentile and maximum; the noise is seeded, so that a run can be repeated.
    """

    def __init__(
        self, path: Path, *, seed: int = 0, classes: Mapping[str, int] | None = None
    ) -> None:
        """`classes`: how many each network has, where not as COCO. ValueError or OSError for a
        profile that can't be read."""
        self._classes = classes or {}
        self._profile = load_latency_profile(path)
        self._random = random.Random(seed)
        self._memory = int(os.environ.get(MEMORY, "0")) or None
        self._device_ms = 0.0
        self.description = f"simulated from {path.name} ({self._profile.device})"

    def warm_up(self, warm: WarmupBatch) -> None:
        """Nothing to prepare."""

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        started = time.monotonic()
        if self._memory is not None and len(pictures) > self._memory:
            raise OutOfMemoryError(f"{len(pictures)} pictures in the memory for {self._memory}")
        parsed = Variant.parse(variant)
        classes = self._classes.get(parsed.network, _CLASSES)
        boxes = [made_up_boxes(picture, classes) for picture in pictures]
        input_size = parsed.input_size(pictures[0].width, pictures[0].height)
        self._device_ms = self.latency_ms(variant, input_size, len(pictures))
        time.sleep(max(0.0, started + self._device_ms / 1000.0 - time.monotonic()))
        return boxes

    def latency_ms(self, variant: str, input_size: tuple[int, int], batch: int) -> float:
        """The next latency, in ms, of a batch of this kind."""
        p99_ms = self._profile.latency_ms(variant, input_size, batch)
        if not math.isfinite(p99_ms):
            raise ValueError(f"the profile has no {variant}")
        spread = math.log(p99_ms / self._profile.typical_ms(variant, input_size, batch))
        noise = min(self._random.gauss(0.0, 1.0) / _Z_99, 1.0)
        return p99_ms * math.exp(spread * (noise - 1.0))

    def device_ms(self) -> float:
        """The drawn latency, without the delay of a busy host that woke up later."""
        return self._device_ms

    def memory(self) -> None:
        """None: it has no memory."""

    def healthy(self) -> bool:
        return True


def made_up_boxes(picture: Picture, classes: int = _CLASSES) -> list[Box]:
    """Boxes about the parts that differ most from the picture's mean; the same each time.

    They follow moving things, as a detector's do, and have no other meaning.
    """
    rows = np.linspace(0, picture.height - 1, 4 * CELLS).astype(int)
    columns = np.linspace(0, picture.width - 1, 4 * CELLS).astype(int)
    luma = picture.y[np.ix_(rows, columns)].astype(np.float32)
    cells = luma.reshape(CELLS, 4, CELLS, 4).mean(axis=(1, 3))
    contrast = np.abs(cells - cells.mean()).reshape(-1)
    boxes: list[Box] = []
    for cell in np.argsort(-contrast, kind="stable")[:MAX_SIMULATED_BOXES].tolist():
        if contrast[cell] < _LEAST_CONTRAST:
            break
        row, column = divmod(cell, CELLS)
        score = float(min(0.99, 0.4 + contrast[cell] / 255.0))
        index = int(cells.reshape(-1)[cell]) % classes
        boxes.append(
            (index, score, column / CELLS, row / CELLS, (column + 1) / CELLS, (row + 1) / CELLS)
        )
    return boxes
