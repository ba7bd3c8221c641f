"""What a soak comes to: did anything grow, was anything left behind? Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import mean

MOST_GROWTH = 0.05  # of resident memory, from the first fifth of the time to the last
_PART = 5


@dataclass(frozen=True, slots=True)
class Footprint:
    """What the server's processes of one name hold: memory in MB, and counts."""

    rss_mb: float
    threads: int
    descriptors: int
    processes: int


@dataclass(frozen=True, slots=True)
class MemorySample:
    """At a moment (s since sessions began to count), by process name; asyncio tasks in all."""

    at_s: float
    sessions: int
    processes: dict[str, Footprint]
    tasks: int

    @property
    def rss_mb(self) -> float:
        return sum(each.rss_mb for each in self.processes.values())


@dataclass(frozen=True, slots=True)
class Course:
    """Samples without any session before and after, and those between."""

    before: MemorySample
    during: Sequence[MemorySample]
    after: MemorySample


def growth(samples: Sequence[MemorySample], name: str) -> tuple[float, float]:
    """Mean resident memory of a process name in the first and in the last fifth, MB."""
    part = max(1, len(samples) // _PART)
    values = [each.processes[name].rss_mb for each in samples]
    return mean(values[:part]), mean(values[-part:])


def promises(course: Course) -> Iterator[tuple[str, bool]]:
    """What is promised, and whether it was kept."""
    for name in course.before.processes:
        first, last = growth(course.during, name)
        text = f"{name}: {first:.1f} to {last:.1f} MB resident, at most {MOST_GROWTH:.0%} more"
        yield text, last <= first * (1.0 + MOST_GROWTH)
        for what in ("threads", "descriptors", "processes"):
            was = getattr(course.before.processes[name], what)
            left = getattr(course.after.processes[name], what)
            yield f"{name}: {what} {was} before, {left} after", left <= was
    was, left = course.before.tasks, course.after.tasks
    yield f"asyncio tasks {was} before, {left} after", left <= was
    yield f"sessions after: {course.after.sessions}", course.after.sessions == 0
