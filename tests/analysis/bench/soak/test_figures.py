"""What a soak comes to."""

from __future__ import annotations

from dataclasses import replace

from analysis.bench.soak.figures import Course, Footprint, MemorySample, growth, promises

IDLE = Footprint(100.0, 5, 20, 1)


def _sample(at_s: float, rss_mb: float) -> MemorySample:
    return MemorySample(at_s, 3, {"server": Footprint(rss_mb, 9, 30, 1)}, 40)


COURSE = Course(
    MemorySample(0.0, 0, {"server": IDLE}, 12),
    [_sample(float(at), 100.0 + 0.04 * at) for at in range(100)],
    MemorySample(100.0, 0, {"server": IDLE}, 12),
)


def broken(course: Course) -> list[str]:
    return [promise.name for promise in promises(course) if not promise.kept]


def test_what_comes_back_and_grows_but_little_keeps_every_promise() -> None:
    first, last = growth(COURSE.during, "server")
    assert 100.0 < first < 101.0
    assert 103.0 < last < 104.0
    assert not broken(COURSE)


def test_memory_that_grows_is_told() -> None:
    [text] = broken(replace(COURSE, during=[_sample(at, 100.0 + 0.1 * at) for at in range(100)]))
    assert "MB resident" in text


def test_each_thing_left_behind_is_told() -> None:
    for left, words in (
        (Footprint(100.0, 6, 20, 1), "threads 5 before, 6 after"),
        (Footprint(100.0, 5, 21, 1), "descriptors 20 before, 21 after"),
        (Footprint(100.0, 5, 20, 2), "processes 1 before, 2 after"),
    ):
        [text] = broken(replace(COURSE, after=replace(COURSE.after, processes={"server": left})))
        assert words in text
    [text] = broken(replace(COURSE, after=replace(COURSE.after, tasks=13)))
    assert text == "asyncio tasks 12 before, 13 after"
    [text] = broken(replace(COURSE, after=replace(COURSE.after, sessions=1)))
    assert text == "sessions after: 1"
