"""The command line: its commands, exit statuses, and what it loads."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.assets.store import AssetError
from edge.cli.commands import weights
from edge.cli.main import main


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for command in ("serve", "publish", "demo", "solve", "weights", "setup"):
        assert f"\n    {command} " in text


@pytest.mark.parametrize("command", ["serve", "publish", "demo", "solve", "weights", "setup"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"edge {command} [-h]" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["serve", "--port", "x"],
        ["weights"],
        ["demo", "--fps", "0"],
        ["demo", "--slo-ms", "5"],
        ["demo", "--seconds", "x"],
    ],
)
def test_bad_usage_is_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("rest", [[], ["rate"], ["--help"], ["receive", "--json", "out.json"]])
def test_benchmarks_are_named_where_they_are(
    rest: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *rest]) == 2
    assert "python -m analysis bench NAME" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (AssetError("no such file"), 1, "error: no such file\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_are_one_line_and_a_status(
    raised: BaseException,
    status: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> int:
        raise raised

    monkeypatch.setattr(weights, "list_all", fail)
    assert main(["weights", "list"]) == status
    assert capsys.readouterr().err == line


def test_the_command_line_loads_nothing_large() -> None:
    large = ("torch", "aiortc", "av", "cv2", "numba", "playwright", "highspy", "matplotlib")
    code = f"import sys, edge.cli.main; print(*(set({large!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
