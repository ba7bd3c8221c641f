"""What is judged of results."""

from dataclasses import replace

from analysis.simulator.judge import judge
from analysis.simulator.results import RunResult, row_of
from tests.analysis.simulator.experiment import run


def rows(*given: tuple[str, float, float]) -> list[RunResult]:
    """Of (policy, miss rate, F1)."""
    made = run("smallest", seconds=0.2)
    row = row_of(made, "smallest", made.run())
    return [replace(row, policy=p, miss_rate=rate, f1=f1) for p, rate, f1 in given]


def kept(*given: tuple[str, float, float]) -> list[int]:
    return [verdict.kept for verdict in judge(rows(*given))]


def test_both_promises_hold() -> None:
    assert kept(("ours", 0.001, 0.8), ("largest", 0.0, 0.8)) == [1, 1]


def test_a_rival_with_more_f1_breaks_the_second() -> None:
    assert kept(("ours", 0.0, 0.8), ("largest", 0.009, 0.81)) == [1, 0]


def test_a_policy_that_misses_one_percent_is_no_rival() -> None:
    assert kept(("ours", 0.0, 0.8), ("largest", 0.01, 0.9)) == [1, 1]


def test_misses_break_the_first_and_the_cell_is_named() -> None:
    verdicts = judge(rows(("ours", 0.002, 0.8)))
    assert [v.kept for v in verdicts] == [0, 1]
    assert "stepped, 2 x 15 fps, 100 ms: 0.20%" in verdicts[0].broken[0]


def test_without_ours_nothing_is_judged() -> None:
    assert judge(rows(("largest", 0.5, 0.1))) == []
