"""A soak's samples, and the promises that nothing grows and nothing is left behind. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

from analysis.bench.report import Promise

MAX_GROWTH = 0.05  # of resident memory, from the first fifth of the time to the last
_PART = 5


@dataclass(frozen=True, slots=True)
class Footprint:
    """Resources of the server's processes of one kind: resident memory in MB, and counts."""

    rss_mb: float
    threads: int
    descriptors: int
    processes: int


@dataclass(frozen=True, slots=True)
class MemorySample:
    """Resources at a time (s since sessions count), by kind of process; asyncio tasks in all."""

    at_s: float
    sessions: int
    processes: dict[str, Footprint]
    tasks: int

    @property
    def rss_mb(self) -> float:
        return sum(each.rss_mb for each in self.processes.values())


@dataclass(frozen=True, slots=True)
class Course:
    """One sample without sessions before, those with sessions, and one without sessions after."""

    before: MemorySample
    during: Sequence[MemorySample]
    after: MemorySample


def growth(samples: Sequence[MemorySample], name: str) -> tuple[float, float]:
    """Mean resident memory (MB) of a kind of process in the first and in the last fifth."""
    part = max(1, len(samples) // _PART)
    values = [each.processes[name].rss_mb for each in samples]
    return mean(values[:part]), mean(values[-part:])


def promises(course: Course) -> Iterator[Promise]:
    """Memory, threads, descriptors, processes and tasks are back where they were."""
    for name in course.before.processes:
        first, last = growth(course.during, name)
        text = f"{name}: {first:.1f} to {last:.1f} MB resident, at most {MAX_GROWTH:.0%} more"
        yield Promise(text, last <= first * (1.0 + MAX_GROWTH))
        for resource in ("threads", "descriptors", "processes"):
            was = getattr(course.before.processes[name], resource)
            left = getattr(course.after.processes[name], resource)
            yield Promise(f"{name}: {resource} {was} before, {left} after", left <= was)
    was, left = course.before.tasks, course.after.tasks
    yield Promise(f"asyncio tasks {was} before, {left} after", left <= was)
    yield Promise(f"sessions after: {course.after.sessions}", course.after.sessions == 0)
