"""The benchmark of a fleet's faults: frames are counted to the phase that they were captured in."""

from __future__ import annotations

from typing import Any

from analysis.bench.fleet.measurement import Findings, Phase, _count


def publisher(*frames: tuple[float, str | None]) -> dict[str, Any]:
    return {"frames": [{"captured_ms": at_ms, "outcome": outcome} for at_ms, outcome in frames]}


def found() -> Findings:
    return Findings([Phase("steady", 10_000.0, 20_000.0), Phase("drain", 20_000.0, 30_000.0)])


def counts(phase: Phase) -> tuple[int, int, int, int]:
    return (phase.frames, phase.missed, phase.moved_frames, phase.moved_missed)


def test_frames_of_a_session_that_stays_are_its_phases() -> None:
    findings = found()
    frames = [(5_000.0, "in_time"), (11_000.0, "late"), (21_000.0, "in_time"), (40_000.0, None)]
    _count(findings, [publisher(*frames)])
    assert [counts(phase) for phase in findings.phases] == [(1, 1, 0, 0), (1, 0, 0, 0)]


def test_frames_of_a_session_that_ends_within_a_phase_are_counted_apart() -> None:
    findings = found()
    frames = [(5_000.0, "in_time"), (21_000.0, "in_time"), (22_000.0, "unanswered")]
    _count(findings, [publisher(*frames), publisher()])
    assert counts(findings.phases[1]) == (0, 0, 2, 1)


def test_a_sessions_first_frames_are_its_own_start() -> None:
    findings = found()
    _count(findings, [publisher((20_500.0, "late"), (22_000.0, "late"), (29_900.0, "in_time"))])
    assert counts(findings.phases[1]) == (1, 0, 0, 0)
