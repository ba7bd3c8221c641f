"""Times to the answer by policy: frames without one count against it."""

import pytest

from analysis.figures.exhibits import answers
from tests.analysis.figures.recording import SLO_MS, frame, unanswered


def test_frames_without_an_answer_count_against_a_policy() -> None:
    ours = [frame(0, 0), *(frame(0, n) for n in range(1, 11))]
    plain = [frame(0, n) for n in range(1, 6)]
    plain += [frame(0, n, outcome="late") for n in range(6, 8)]
    for late in plain[-2:]:
        late.returned_ms = late.captured_ms + 200.0
    plain += [unanswered(0, n, "lost") for n in range(8, 11)]
    exhibit = answers.by_policy({"plain": plain, "ours": ours}, SLO_MS, "a", "A")
    assert [row[:4] for row in exhibit.table.rows] == [
        ("ours", 10, 1.0, 1.0), ("plain", 10, 0.7, 0.5),
    ]  # fmt: skip
    assert exhibit.table.column("p50 of captured, ms") == [pytest.approx(41.0)] * 2
    assert exhibit.table.column("p90 of captured, ms") == [pytest.approx(41.0), None]


def test_a_policy_without_frames_is_refused() -> None:
    with pytest.raises(ValueError, match="plain has no measured frames"):
        answers.by_policy({"ours": [frame(0, 1)], "plain": [frame(0, 0)]}, SLO_MS, "a", "A")
