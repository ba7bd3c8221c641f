"""A program run to its end: what it is given, and what its failure says."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from edge.ipc.child_run import ChildRunError, run_child


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-c", text)


def test_it_gets_this_process_and_the_arguments_and_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_ADMIN_TOKEN", "hush-hush")
    file = tmp_path / "got"
    text = (
        "import os, sys, edge; open(sys.argv[2], 'w').write("
        "' '.join([sys.argv[1], str('EDGE_ADMIN_TOKEN' in os.environ)]))"
    )
    run_child(script(text), [str(file)], 60)
    assert file.read_text() == f"{os.getpid()} False"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("print('x'); raise SystemExit('no such layer')", "no such layer"),
        ("raise SystemExit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "exit status -9"),
        ("import sys; sys.stderr.buffer.write(bytes([255, 10])); sys.exit(1)", "\ufffd"),
    ],
)
def test_a_failure_has_the_last_line_of_its_errors(text: str, reason: str) -> None:
    with pytest.raises(ChildRunError) as caught:
        run_child(script(text), [], 60)
    assert str(caught.value) == reason


def test_one_that_takes_too_long_is_ended() -> None:
    with pytest.raises(ChildRunError, match=r"more than 0\.2 s"):
        run_child(script("import time; time.sleep(60)"), [], 0.2)
