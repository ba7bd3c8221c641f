"""A command without its extra names the package and the remedy, in one line."""

from __future__ import annotations

import io
import json
import sys

import pytest

from edge.cli.extras import ExtraMissingError, lab_extra
from edge.cli.main import main


def _hide(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if `package` were not installed."""
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "path_importer_cache", {})


def test_a_missing_package_of_the_lab_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _hide("pyroute2", monkeypatch)
    with pytest.raises(ExtraMissingError) as caught, lab_extra("netem link"):
        import pyroute2.netlink  # noqa: F401
    assert str(caught.value) == "`netem link` needs pyroute2: pip install 'edge-video[lab]'"


def test_another_missing_module_is_a_defect() -> None:
    with pytest.raises(ModuleNotFoundError, match="edge.no_such_module"), lab_extra("edge demo"):
        import edge.no_such_module  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize(
    ("arguments", "module", "package"),
    [
        (["demo"], "edge.cli.demo_run", "playwright"),
        (["solve", "--algorithm", "exact"], "edge.scheduling.solvers.exact", "highspy"),
    ],
)
def test_commands_that_need_the_lab(
    arguments: list[str],
    module: str,
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    problem = {"gpus": 1, "variants": [], "clients": []}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(problem)))
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.delattr(sys.modules[module.rpartition(".")[0]], module.rpartition(".")[2], False)
    monkeypatch.setitem(sys.modules, package, None)
    for name in [name for name in sys.modules if name.startswith(f"{package}.")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert (
        error
        == f"error: `edge {' '.join(arguments)}` needs {package}: pip install 'edge-video[lab]'\n"
    )
