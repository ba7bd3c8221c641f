"""A command without its extra names the package and the remedy, in one line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from edge.cli.extras import ExtraMissingError, lab_extra


def test_a_missing_package_of_the_lab_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyroute2", None)
    with pytest.raises(ExtraMissingError) as caught, lab_extra("netem link"):
        import pyroute2  # noqa: F401
    assert str(caught.value) == "`netem link` needs pyroute2: pip install 'edge-video[lab]'"


def test_another_missing_module_is_a_defect() -> None:
    with pytest.raises(ModuleNotFoundError, match="edge.no_such_module"), lab_extra("edge demo"):
        import edge.no_such_module  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize(
    ("command", "package"), [("demo", "playwright"), ("solve --algorithm exact", "highspy")]
)
def test_commands_that_need_the_lab(command: str, package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\n"
    code += f"from edge.cli.main import main; sys.exit(main({command.split()!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps({"gpus": 1, "variants": [], "clients": []}),
        capture_output=True,
        text=True,
        check=False,
    )
    remedy = "pip install 'edge-video[lab]'"
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"error: `edge {command}` needs {package}: {remedy}\n"
