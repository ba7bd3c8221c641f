"""Tables come back as they were written; an unreadable table is refused by line and column."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from netem.results.rows import FrameRow, LinkRow, Manifest
from netem.results.run_folder import (
    ResultsError,
    RunFolder,
    columns,
    finished,
    read,
    write,
    write_json,
)

FRAME = FrameRow(
    client=1, session="abc", source=17, rtp=4_000_000_000, captured_ms=-12.5, sent_ms=0.125,
    received_ms=10.25, decoded_ms=11.0, dispatched_ms=11.5, inferred_ms=30.0, returned_ms=31.0,
    width=320, height=136, bytes=2048, key=True, variant="yolov4-tiny-320", batch=1,
    outcome="in_time", infeasible=False, measured=True, truth=4, found=3, matched=3,
    f1_simulated=0.6125,
)  # fmt: skip
NEVER_SENT = dataclasses.replace(
    FRAME, rtp=None, sent_ms=None, received_ms=None, decoded_ms=None, dispatched_ms=None,
    inferred_ms=None, returned_ms=None, width=None, height=None, bytes=None, key=None, variant="",
    batch=None, outcome="encoder", found=None, matched=None, f1_simulated=0.0,
)  # fmt: skip
MANIFEST = Manifest(
    run="one", key="0", command="", commit="", machine="", versions={}, seeds={}, origin_ms=0.0,
    began="", took_s=1.0, asked={},
)  # fmt: skip


def test_a_table_comes_back_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path / "frames.csv", FrameRow, [FRAME, NEVER_SENT])
    assert read(tmp_path / "frames.csv", FrameRow) == [FRAME, NEVER_SENT]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("at_ms,client\n1.0,0\n", "no column"),
        (",".join(columns(LinkRow)) + "\n1.0,first,0,0,0,0,0\n", "link.csv:2: client"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "link.csv").write_text(text)
    with pytest.raises(ResultsError, match=message):
        read(tmp_path / "link.csv", LinkRow)


def test_a_folder_without_a_manifest_is_no_finished_run(tmp_path: Path) -> None:
    for name in ("whole", "half"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    write_json(tmp_path / "runs" / "whole" / "manifest.json", MANIFEST)
    assert list(finished(tmp_path)) == [RunFolder(tmp_path / "runs" / "whole")]
    assert next(finished(tmp_path)).manifest == MANIFEST
