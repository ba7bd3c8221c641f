"""Measurement of batch latency, from submission to result: sampling, and profile entries."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from edge.profile.latency import LatencyEntry
from edge.profile.variant import Variant

SHAPES = ((16, 9), (9, 16), (4, 3), (1, 1))
BATCHES = (1, 2, 4)
ROUNDS = 5

_MIN_RUNS, _MAX_RUNS, _ENOUGH_MS = 4, 20, 500.0  # of one series
_POOL = 600  # ratios for a 99th percentile: six lie beyond it


Key = tuple[str, int, int, int]
"""Variant, input width and height, batch size."""


class PartialFileError(ValueError):
    """A file of samples that cannot be continued; the message names the line."""


@dataclass(frozen=True, slots=True, order=True)
class LatencyCase:
    """A variant, its input size and a batch size; pictures of size `picture` have that input."""

    variant: str
    input_size: tuple[int, int]
    batch: int
    picture: tuple[int, int]

    @property
    def key(self) -> Key:
        return (self.variant, *self.input_size, self.batch)


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """Latencies of one case, in ms, measured one after the other."""

    variant: str
    width: int
    height: int
    batch: int
    samples_ms: tuple[float, ...]

    @property
    def key(self) -> Key:
        return (self.variant, self.width, self.height, self.batch)


Run = Callable[[LatencyCase], Awaitable[float]]
"""Runs one batch: milliseconds from submission to result."""


def cases(
    variants: Sequence[str],
    shapes: Sequence[tuple[int, int]] = SHAPES,
    batches: Sequence[int] = BATCHES,
) -> list[LatencyCase]:
    """Every variant, shape and batch size, each distinct network input once.

    Pictures have the variant's own long side, as publishers are asked for.
    """
    found: dict[Key, LatencyCase] = {}
    for name in variants:
        variant = Variant.parse(name)
        for shape in shapes:
            picture = variant.fit(*shape)
            size = variant.input_size(*picture)
            for batch in batches:
                case = LatencyCase(name, size, batch, picture)
                found.setdefault(case.key, case)
    return list(found.values())


def schedule(
    wanted: Sequence[LatencyCase], done: Iterable[SampleSeries], rounds: int, seed: int = 0
) -> list[LatencyCase]:
    """The cases in the order of measurement: each once a round, each round in another order.

    So a noisy moment of the machine affects one series of a few cases, never all series of a case.
    Series in `done` count.
    """
    left = {case.key: rounds for case in wanted}
    for each in done:
        if each.key in left:
            left[each.key] -= 1
    shuffled = random.Random(seed)
    order: list[LatencyCase] = []
    for turn in range(rounds, 0, -1):
        this = [case for case in wanted if left[case.key] >= turn]
        shuffled.shuffle(this)
        order += this
    return order


async def measure(run: Run, case: LatencyCase) -> SampleSeries:
    """Measure one case a few times; the first run, with cold caches, does not count."""
    await run(case)
    samples_ms: list[float] = []
    while len(samples_ms) < _MAX_RUNS:
        if len(samples_ms) >= _MIN_RUNS and sum(samples_ms) >= _ENOUGH_MS:
            break
        samples_ms.append(await run(case))
    return SampleSeries(case.variant, *case.input_size, case.batch, tuple(samples_ms))


def entries(done: Iterable[SampleSeries]) -> list[LatencyEntry]:
    """Profile entries: p50 is a case's own median, p99 that times a ratio of many cases.

    Some dozens of samples are too few for a 99th percentile. So each sample is divided by its
    case's median, and a case's 99th percentile is taken over its own ratios and those of the cases
    nearest in latency, at least `_POOL` in all: nearest, since a delay of a millisecond matters to
    a short batch and not to a long one. The p99 is at least the case's own second-worst sample.
    Entries are raw: nothing is made monotone here.
    """
    samples: dict[Key, list[float]] = {}
    for each in done:
        samples.setdefault(each.key, []).extend(each.samples_ms)
    keys = sorted(samples, key=lambda key: median(samples[key]))
    medians = [median(samples[key]) for key in keys]
    ratios = [[ms / middle for ms in samples[k]] for k, middle in zip(keys, medians, strict=True)]
    found = []
    for place, (key, middle) in enumerate(zip(keys, medians, strict=True)):
        pooled = np.quantile(_neighbours(ratios, place), 0.99)
        own = sorted(ratios[place])[-2:][0]  # second-worst, where there are two
        p99_ms = middle * max(1.0, float(pooled), own)
        found.append(LatencyEntry(*key, round(middle, 3), max(round(p99_ms, 3), round(middle, 3))))
    return sorted(found, key=lambda e: (Variant.parse(e.variant), e.width, e.height, e.batch))


def _neighbours(ratios: Sequence[list[float]], place: int) -> list[float]:
    """The ratios at `place` and on both sides of it, until there are `_POOL`."""
    pool = list(ratios[place])
    low, high = place - 1, place + 1
    while len(pool) < _POOL and (low >= 0 or high < len(ratios)):
        if low >= 0:
            pool += ratios[low]
        if high < len(ratios):
            pool += ratios[high]
        low, high = low - 1, high + 1
    return pool


def read_series(path: Path) -> list[SampleSeries]:
    """The series of an interrupted measurement; none if there is no file.

    An incomplete last line is ignored. Raises PartialError naming the line.
    """
    if not path.is_file():
        return []
    found = []
    text = path.read_text()
    lines = text.splitlines()
    if not text.endswith("\n"):
        lines = lines[:-1]
    for number, line in enumerate(lines, 1):
        try:
            item = json.loads(line)
            found.append(
                SampleSeries(
                    str(item["variant"]),
                    int(item["width"]),
                    int(item["height"]),
                    int(item["batch"]),
                    tuple(float(ms) for ms in item["samples_ms"]),
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise PartialFileError(f"{path}:{number}: {error!r}") from error
    return found


def writer(path: Path) -> Callable[[SampleSeries], None]:
    """Appends series to a file, a line each, so that an interruption loses none."""

    def write(each: SampleSeries) -> None:
        plain = asdict(each)
        plain["samples_ms"] = [round(ms, 4) for ms in each.samples_ms]
        with path.open("a") as file:
            file.write(json.dumps(plain) + "\n")

    return write
