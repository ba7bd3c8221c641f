"""`python -m analysis`: help without loading a command, and exit statuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from analysis.__main__ import main


def loaded_modules(*arguments: str) -> tuple[str, set[str]]:
    """The output of `python -m analysis ARGUMENTS --help`, and the modules that it imported."""
    code = (
        "import sys\nfrom analysis.__main__ import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print('MODULES', *sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments, "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    text, _, modules = ended.stdout.partition("MODULES ")
    return text, set(modules.split())


def test_the_help_names_every_command_and_loads_none() -> None:
    text, modules = loaded_modules()
    for name in ("simulate", "figures", "bench"):
        assert name in text
    assert not {name for name in modules if name.endswith(".command")}


@pytest.mark.parametrize("command", ["simulate", "figures", "bench"])
def test_a_commands_help_loads_no_heavy_library(command: str) -> None:
    text, modules = loaded_modules(command)
    assert f"python -m analysis {command}" in text
    assert f"analysis.{command.replace('simulate', 'simulator')}.command" in modules
    assert not {"matplotlib", "aiortc", "torch", "pyroute2", "playwright", "highspy"} & modules


@pytest.mark.parametrize(
    "arguments", [[], ["simulate"], ["bench", "nothing"], ["simulate", "x", "--jobs", "0"]]
)
def test_bad_usage_is_exit_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2


def test_an_experiment_with_a_mistake_is_exit_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mistaken.toml"
    path.write_text("name = 3")
    assert main(["simulate", str(path)]) == 2
    assert "mistaken.toml" in capsys.readouterr().err


def test_a_missing_package_of_the_laboratory_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for name in [each for each in sys.modules if each.startswith("analysis.figures.")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["figures", "--out", str(tmp_path)]) == 1
    expected = "`python -m analysis figures` needs matplotlib: pip install 'edge-video[lab]'"
    assert expected in capsys.readouterr().err
