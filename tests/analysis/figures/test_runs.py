"""What is drawn of single runs: every measured frame is in the tables once, at the right time."""

from pathlib import Path

import pytest

from analysis.figures import adaptation, answers, legs, recorded
from netem.results.rows import HintRow
from netem.results.run_folder import HINTS, write
from tests.analysis.figures.recording import LEG_MS, SLO_MS, frame, run_of, unanswered


def test_over_time_every_measured_frame_is_in_one_line(tmp_path: Path) -> None:
    frames = [frame(0, 0), *(frame(0, n) for n in range(1, 15)), frame(1, 1)]
    frames += [unanswered(0, n, "hopeless", infeasible=True) for n in (15, 16)]
    frames += [unanswered(0, 17, "superseded"), unanswered(0, 18, "paced", bytes=None)]
    frames += [frame(0, 19, width=180, height=320, outcome="late", returned_ms=1_950.0)]
    frames += [frame(0, 20, variant="yolov4-tiny-128", width=192, height=108)]
    run = run_of(tmp_path, frames)
    hints = [HintRow(at_ms, 0, 1, 320, 10.0, bps, "", "") for at_ms, bps in ((-5.0, 1), (1e3, 2))]
    write(run.path / HINTS, HintRow, hints)
    table = adaptation.over_time(recorded.load(run), 0, "a", "A").table
    assert table.column("from, s") == [0, 1]
    assert table.column("frames") == [10, 10]
    assert table.column("in time") == [10, 5]
    assert table.column("infeasible") == [0, 2]
    assert table.column("missed") == [0, 2]
    assert table.column("paced") == [0, 1]
    assert table.column("link, Mbit/s") == [1.0, 0.5]
    assert table.column("asked, Mbit/s") == [1e-6, 2e-6]
    assert table.column("variant") == ["yolov4-tiny-320"] * 2
    assert table.column("sent side, px") == [320, 320]
    assert table.column("most, ms") == [pytest.approx(41.0), pytest.approx(150.0)]
    sent = table.column("sent, Mbit/s")
    assert sent == [pytest.approx(0.2), pytest.approx(9 * 2500 * 8 / 0.9 / 1e6)]


def test_a_client_without_frames_is_told(tmp_path: Path) -> None:
    run = recorded.load(run_of(tmp_path, [frame(0, 0), frame(1, 1)]))
    with pytest.raises(ValueError, match="no measured frames of client 0"):
        adaptation.over_time(run, 0, "a", "A")


def test_legs_are_those_of_answered_frames() -> None:
    slow = frame(0, 100)
    slow.received_ms = slow.decoded_ms = slow.dispatched_ms = slow.inferred_ms = 10_104.0
    slow.returned_ms = 10_104.0
    frames = [frame(0, 0, returned_ms=9e9), *(frame(0, n) for n in range(1, 100)), slow]
    frames.append(unanswered(0, 101, "lost"))
    exhibit = legs.cdf(frames, SLO_MS, "l", "L")
    assert exhibit.table.column("leg") == [*LEG_MS, legs.TOTAL]
    assert exhibit.table.column("p50, ms") == [
        pytest.approx(ms) for ms in (*LEG_MS.values(), sum(LEG_MS.values()))
    ]
    most = dict(zip(exhibit.table.column("leg"), exhibit.table.column("most, ms"), strict=True))
    assert most["network"] == pytest.approx(200.0)
    assert most[legs.TOTAL] == pytest.approx(204.0)
    means = exhibit.table.column("mean, ms")
    assert sum(float(ms or 0) for ms in means[:-1]) == pytest.approx(float(means[-1] or 0))
    assert exhibit.caption.startswith("100 answered of 101 frames")


def test_no_answer_makes_no_distribution() -> None:
    with pytest.raises(ValueError, match="no frame was answered"):
        legs.cdf([unanswered(0, 1, "lost")], SLO_MS, "l", "L")


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


def test_a_policy_without_frames_is_told() -> None:
    with pytest.raises(ValueError, match="plain has no measured frames"):
        answers.by_policy({"ours": [frame(0, 1)], "plain": [frame(0, 0)]}, SLO_MS, "a", "A")
