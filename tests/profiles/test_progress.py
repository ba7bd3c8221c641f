"""Progress: the time left, and how often it is written."""

import pytest

from profiles.progress import ProgressReport, duration


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_the_time_left_goes_by_the_work_done() -> None:
    clock = Clock()
    lines: list[str] = []
    progress = ProgressReport(100.0, clock_s=clock, write=lines.append, is_terminal=False)
    assert progress.left_s is None
    clock.now_s = 10.0
    progress.step(25.0, "one thing")
    assert progress.left_s == pytest.approx(30.0)
    assert lines == [" 25%, 30 s left: one thing\n"]


def test_work_that_is_not_needed_shortens_it() -> None:
    clock = Clock()
    progress = ProgressReport(100.0, clock_s=clock, write=lambda _: None, is_terminal=False)
    clock.now_s = 10.0
    progress.step(25.0, "one thing")
    progress.skip(50.0)
    assert progress.left_s == pytest.approx(10.0)


def test_lines_that_stay_are_few() -> None:
    clock = Clock()
    lines: list[str] = []
    progress = ProgressReport(100.0, clock_s=clock, write=lines.append, is_terminal=False)
    for _ in range(100):
        clock.now_s += 0.1
        progress.step(1.0, "more")
    assert 2 <= len(lines) <= 3
    assert progress.left_s == 0.0


def test_a_terminal_s_line_is_overwritten() -> None:
    lines: list[str] = []
    progress = ProgressReport(2.0, clock_s=Clock(), write=lines.append, is_terminal=True)
    progress.step(1.0, "one")
    progress.step(1.0, "two")
    progress.end()
    assert len(lines) == 3
    assert all(line.startswith("\r") and "\n" not in line for line in lines)


@pytest.mark.parametrize(
    ("seconds", "text"), [(4.4, "4 s"), (59.6, "1 min 0 s"), (200, "3 min 20 s")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
