"""The tables' columns, which are a file format."""

from __future__ import annotations

import dataclasses

from netem.results.rows import OUTCOMES, FrameRow, OutcomeCounts, RunRow, SessionRow


def names(row: type) -> list[str]:
    return [field.name for field in dataclasses.fields(row)]


def test_every_outcome_has_its_count() -> None:
    assert set(OUTCOMES) <= set(names(OutcomeCounts))
    assert len(set(OUTCOMES)) == len(OUTCOMES)


def test_settings_come_before_counts_in_the_tables_of_clients_and_runs() -> None:
    assert names(RunRow)[0] == "run"
    assert names(SessionRow)[0] == "client"
    for row in (RunRow, SessionRow):
        assert names(row)[-len(names(OutcomeCounts)) :] == names(OutcomeCounts)


def test_a_frames_columns_begin_with_its_client_and_end_with_its_accuracy() -> None:
    assert names(FrameRow)[:5] == ["client", "session", "source", "rtp", "captured_ms"]
    assert names(FrameRow)[-4:] == ["truth", "found", "matched", "f1_simulated"]
