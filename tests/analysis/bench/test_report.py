"""The end of every benchmark: promises, exit status, JSON, sections of documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.bench.report import (
    BenchmarkReport,
    Promise,
    markdown_table,
    write_json,
    write_section,
)

KEPT, BROKEN = Promise("fast", True), Promise("small", False, "3 MB")
UNJUDGED = Promise("exact", None)


@pytest.mark.parametrize(
    ("promises", "status"),
    [([], 0), ([KEPT, UNJUDGED], 0), ([KEPT, BROKEN], 1)],
)
def test_a_broken_promise_is_exit_status_1(
    promises: list[Promise], status: int, tmp_path: Path
) -> None:
    path = tmp_path / "figures.json"
    assert BenchmarkReport(path, {"aiortc": "1"}).finish(promises, rows=[1, 2]) == status
    values = json.loads(path.read_text())
    assert values["kept"] is (status == 0)
    assert values["rows"] == [1, 2]
    assert values["versions"] == {"aiortc": "1"}
    assert values["load_before"] >= 0.0


def test_every_promise_is_printed_with_its_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    BenchmarkReport(None).finish([KEPT, BROKEN, UNJUDGED])
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:] == ["kept: fast", "BROKEN: small (3 MB)", "not judged here: exact"]


def test_json_that_cannot_be_written_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_a_section_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    path = tmp_path / "figures.md"
    write_section(path, "bench rate", "one\n")
    path.write_text("# Figures\n" + path.read_text() + "after\n")
    write_section(path, "bench loss", "two\n")
    write_section(path, "bench rate", "three\n")
    text = "# Figures\n<!-- bench rate -->\nthree\n<!-- end -->\nafter\n"
    assert path.read_text() == text + "<!-- bench loss -->\ntwo\n<!-- end -->\n"
    path.write_text("<!-- bench rate -->\nno end")
    with pytest.raises(ValueError, match="no line <!-- end -->"):
        write_section(path, "bench rate", "four\n")


def test_a_table_has_a_rule_under_its_head() -> None:
    lines = list(markdown_table("| a | b |", [("1", "2"), ("3", "4")]))
    assert lines == ["| a | b |", "| --- | --- |", "| 1 | 2 |", "| 3 | 4 |"]
