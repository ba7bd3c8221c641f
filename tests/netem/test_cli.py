"""`python -m netem`: its commands, and failures that need no kernel."""

import subprocess
import sys
from pathlib import Path

import pytest

from netem.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["link", "--", "true"], "--trace --rate is required"),
        (["link", "--rate", "8mbit"], "COMMAND"),
        (["link", "--rate", "8", "--", "true"], "a number and a unit"),
        (["link", "--rate", "8mbit", "--trace", "x", "--", "true"], "not allowed with"),
        (["link", "--rate", "8mbit", "--loss", "200%", "--", "true"], "100% at most"),
        (["link", "--rate", "8mbit", "--reorder", "1%", "--", "true"], "needs a delay"),
        (["link", "--rate", "8mbit", "--loss-burst", "0", "--", "true"], "1 packet at least"),
    ],
)
def test_bad_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "package"), [("link", "pyroute2"), ("run", "playwright"), ("fleet", "playwright")]
)
def test_a_missing_package_of_the_laboratory_is_named(command: str, package: str) -> None:
    hidden = f"import sys; sys.modules[{package!r}] = None"
    run = f"from netem.__main__ import main; sys.exit(main([{command!r}]))"
    done = subprocess.run(
        [sys.executable, "-c", f"{hidden}; {run}"], capture_output=True, text=True, check=False
    )
    error = f"error: `python -m netem {command}` needs {package}: pip install 'edge-video[lab]'\n"
    assert (done.returncode, done.stderr) == (1, error)


def test_help_lists_the_commands_and_loads_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.import_module", lambda name: pytest.fail(f"{name} is loaded"))
    with pytest.raises(SystemExit) as leaving:
        main(["--help"])
    assert leaving.value.code == 0
    assert [
        line.split()[0]
        for line in capsys.readouterr().out.splitlines()
        if line.startswith("    ") and line[4] != " " and "COMMAND" not in line
    ] == ["link", "publish", "steady", "run", "fleet"]


def test_a_trace_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.up").write_text("")
    assert main(["link", "--trace", str(tmp_path / "a.up"), "--", "true"]) == 1
    assert "a.up: the file is empty" in capsys.readouterr().err


def test_without_root_the_link_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["link", "--rate", "8mbit", "--", "true"]) == 1
    assert "links cannot be made here: needs root" in capsys.readouterr().err
