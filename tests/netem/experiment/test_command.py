"""`python -m netem run` without root: the states of runs, and refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from netem.__main__ import main

ROOT = Path(__file__).parents[3]
RECORDED = ROOT / "tests" / "data" / "recorded"


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def states(out: Path, capsys: pytest.CaptureFixture[str], *more: str) -> list[str]:
    file = str(RECORDED.with_suffix(".toml"))
    assert main(["run", file, "--out", str(out), "--list", *more]) == 0
    return [line.rpartition(" ")[0].strip() for line in capsys.readouterr().out.splitlines()]


def test_a_run_with_a_manifest_of_the_same_settings_is_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert states(RECORDED, capsys) == ["finished"] * 4
    assert states(RECORDED, capsys, "--seconds", "9") == ["changed"] * 4
    assert states(tmp_path, capsys) == ["to do"] * 4


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["none.toml", "--out", "x"], 2, "none.toml: No such file"),
        ([str(RECORDED.with_suffix(".toml"))], 2, "--out"),
        ([str(RECORDED.with_suffix(".toml")), "--out", "x", "--runs", "0"], 2, "1 or more"),
        ([str(RECORDED.with_suffix(".toml")), "--out", "x", "--seconds", "1"], 2, "2 to 3600"),
    ],
)
def test_bad_usage_is_refused(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        found = main(["run", *arguments])
    except SystemExit as end:
        found = int(str(end.code))
    assert found == status
    assert message in capsys.readouterr().err
