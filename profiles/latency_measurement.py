"""What batches take on a device, from the hand-over to the result: measured, and reckoned up."""

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

_LEAST_RUNS, _MOST_RUNS, _ENOUGH_MS = 4, 20, 500.0  # of one visit
_POOL = 600  # ratios that a 99th percentile is taken of: six lie beyond it


Key = tuple[str, int, int, int]
"""Variant, input width and height, batch size."""


class PartialFileError(ValueError):
    """A file of samples that can't be gone on with; the message names the line."""


@dataclass(frozen=True, slots=True, order=True)
class LatencyCase:
    """A variant, its input size and a batch size; `picture` is a size that makes that input."""

    variant: str
    input_size: tuple[int, int]
    batch: int
    picture: tuple[int, int]

    @property
    def key(self) -> Key:
        return (self.variant, *self.input_size, self.batch)


@dataclass(frozen=True, slots=True)
class SampleSeries:
    """Latencies, in ms, of one case in one go."""

    variant: str
    width: int
    height: int
    batch: int
    samples_ms: tuple[float, ...]

    @property
    def key(self) -> Key:
        return (self.variant, self.width, self.height, self.batch)


Run = Callable[[LatencyCase], Awaitable[float]]
"""Runs one batch: milliseconds from the hand-over until the result was in hand."""


def cases(
    variants: Sequence[str],
    shapes: Sequence[tuple[int, int]] = SHAPES,
    batches: Sequence[int] = BATCHES,
) -> list[LatencyCase]:
    """Every variant, shape and batch size, each distinct network input once.

    Pictures come at the variant's own edge, as senders are asked for.
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


def visits(
    wanted: Sequence[LatencyCase], done: Iterable[SampleSeries], rounds: int, seed: int = 0
) -> list[LatencyCase]:
    """The cases in the order of visiting: each once a round, each round in another order.

    So a noisy moment of the machine meets one visit of a few cases, and never a case's all. What
    was `done` counts.
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


async def visit(run: Run, case: LatencyCase) -> SampleSeries:
    """One case, a few times: the first, which may find caches cold, doesn't count."""
    await run(case)
    samples_ms: list[float] = []
    while len(samples_ms) < _MOST_RUNS:
        if len(samples_ms) >= _LEAST_RUNS and sum(samples_ms) >= _ENOUGH_MS:
            break
        samples_ms.append(await run(case))
    return SampleSeries(case.variant, *case.input_size, case.batch, tuple(samples_ms))


def entries(done: Iterable[SampleSeries]) -> list[LatencyEntry]:
    """Profile entries: p50 is a case's own median, p99 that times a ratio of many cases.

    Some dozens of samples have no 99th percentile of their own. So each sample is taken as a ratio
    to its case's median, and a case's 99th percentile is of the ratios of itself and of those
    nearest to it in latency, `_POOL` of them or more: near ones, since a hiccup of a millisecond is
    much to a short batch and nothing to a long one. A case that was slow or unsteady by itself
    keeps its own second-worst sample at least. Raw: nothing is made monotone here.
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
    """The ratios at `place` and on both sides of it, as far as it takes to have `_POOL`."""
    pool = list(ratios[place])
    low, high = place - 1, place + 1
    while len(pool) < _POOL and (low >= 0 or high < len(ratios)):
        if low >= 0:
            pool += ratios[low]
        if high < len(ratios):
            pool += ratios[high]
        low, high = low - 1, high + 1
    return pool


def read_visits(path: Path) -> list[SampleSeries]:
    """The visits of a run that was cut short; none if there is no file.

    A last line cut in two is left out. Raises PartialError naming the line.
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
    """Appends visits to a file, a line each, so that nothing measured is lost."""

    def write(each: SampleSeries) -> None:
        plain = asdict(each)
        plain["samples_ms"] = [round(ms, 4) for ms in each.samples_ms]
        with path.open("a") as file:
            file.write(json.dumps(plain) + "\n")

    return write
