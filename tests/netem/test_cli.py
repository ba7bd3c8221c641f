"""`python -m netem`: its commands, and failures that need no kernel."""

import subprocess
import sys

import pytest

from netem.__main__ import main


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
    ] == [
        "link",
        "publish",
        "steady",
        "run",
        "misses",
        "fleet",
        "handover",
        "failover",
        "nodes",
        "scene",
    ]
