"""The tests that a report runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiles.report.runtime_tests import run_tests


@pytest.mark.parametrize(("body", "status"), [("assert True", 0), ("assert False", 1)])
def test_their_outcome_is_the_reports(tmp_path: Path, body: str, status: int) -> None:
    (tmp_path / "test_it.py").write_text(f"def test_it():\n    {body}\n")
    run = run_tests(tmp_path)
    assert run is not None
    assert run.exit_status == status
    assert ("1 passed" if status == 0 else "1 failed") in run.summary


def test_without_a_folder_none_run() -> None:
    assert run_tests(Path("no/such/folder")) is None


def test_tests_that_take_too_long_have_failed(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import time\ndef test_it():\n    time.sleep(60)\n")
    run = run_tests(tmp_path, limit_s=0.1)
    assert run is not None
    assert run.exit_status == 1
    assert "not done in" in run.summary
