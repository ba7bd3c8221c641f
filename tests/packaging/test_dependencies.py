"""What the packages import is what pyproject.toml declares, and what the lock files hold."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from edge.cli.extras import LAB

ROOT = Path(__file__).parents[2]
OURS = ("analysis", "edge", "netem", "profiles", "tests", "traces")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
# Imported only where an extra is needed: `edge demo`, `edge solve --algorithm exact`, MQTT sinks,
# the fleet.
EXTRA_MODULES_OF_EDGE = {
    "edge/assets/browser.py",
    "edge/cli/demo_run.py",
    "edge/fleet/engine.py",
    "edge/models/runtime/onnx_runtime.py",
    "edge/scheduling/solvers/milp.py",
    "edge/sinks/mqtt/mqtt_writer.py",
}


def _name(requirement: str) -> str:
    """A requirement's package by its normalised name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", re.split(r"[=<>;\[ ]", requirement)[0]).lower()


SERVER = {_name(requirement) for requirement in PROJECT["dependencies"]}
EXTRAS = {
    extra: {_name(requirement) for requirement in requirements}
    for extra, requirements in PROJECT["optional-dependencies"].items()
}


def _imports(package: str) -> Iterator[tuple[str, str]]:
    """(file, top-level module) of each import of something that is neither ours nor Python's."""
    for file in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Import():
                    modules = [alias.name for alias in node.names]
                case ast.ImportFrom(module=str(module), level=0):
                    modules = [module]
                case _:
                    continue
            for module in modules:
                top = module.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in OURS:
                    yield str(file.relative_to(ROOT)), top


DISTRIBUTIONS = {
    **packages_distributions(),
    "cv2": ["opencv-python-headless"],  # an environment that was set up earlier may have another
    "pydantic_core": ["pydantic"],  # its own half, pinned by it
}


SYSTEM = {"gi"}  # of the system's Python, which runs the programs in tests/interop


def _distributions(module: str) -> set[str]:
    return {_name(distribution) for distribution in DISTRIBUTIONS.get(module, [])}


@pytest.mark.parametrize(
    ("package", "declared"),
    [
        ("edge", SERVER),
        ("netem", SERVER | EXTRAS["lab"]),
        ("analysis", SERVER | EXTRAS["lab"] | EXTRAS["mqtt"]),
        ("profiles", SERVER | EXTRAS["lab"]),
        ("traces", SERVER | EXTRAS["lab"]),
        ("tests", SERVER | EXTRAS["lab"] | EXTRAS["dev"] | EXTRAS["mqtt"] | EXTRAS["fleet"]),
    ],
)
def test_all_that_is_imported_is_declared(package: str, declared: set[str]) -> None:
    missing = {
        f"{file}: {module}"
        for file, module in _imports(package)
        if file not in EXTRA_MODULES_OF_EDGE and not _distributions(module) & declared
        if not (package == "tests" and module in SYSTEM)
    }
    assert missing == set()


def test_all_that_the_server_declares_is_imported() -> None:
    imported = {name for _, module in _imports("edge") for name in _distributions(module)}
    assert imported >= SERVER


def test_missing_packages_of_the_lab_are_recognised() -> None:
    assert {_name(module) for module in LAB} == EXTRAS["lab"]


def _locked(file: str) -> dict[str, str]:
    """Package and version of each entry of a lock file, all of which have hashes."""
    text = (ROOT / file).read_text()
    entries = re.findall(r"^([\w.-]+)==(\S+)[^\\\n]*(\\\n    --hash=sha256:\w{64})?", text, re.M)
    assert all(hashed for _, _, hashed in entries)
    return {_name(name): version for name, version, _ in entries}


@pytest.mark.parametrize(
    ("file", "extras"), [("requirements.txt", ()), ("requirements-dev.txt", ("lab", "dev"))]
)
def test_lock_files_hold_the_declared_versions(file: str, extras: tuple[str, ...]) -> None:
    direct = PROJECT["dependencies"] + [
        requirement for extra in extras for requirement in PROJECT["optional-dependencies"][extra]
    ]
    declared = dict(each.partition(";")[0].split("==") for each in direct)
    torch = declared.pop("torch")
    locked = _locked(file)
    assert {_name(name): version for name, version in declared.items()}.items() <= locked.items()
    assert "torch" not in locked
    assert f"\ntorch=={torch}\n" in (ROOT / "requirements-torch.txt").read_text()


def test_the_server_needs_nothing_of_the_lab() -> None:
    assert not set(_locked("requirements.txt")) & EXTRAS["lab"] - {
        "pylibsrtp"
    }  # aiortc needs it too


def test_lock_files_name_no_host() -> None:
    for file in ("requirements.txt", "requirements-dev.txt"):
        assert not re.search(r"https?://|index-url|find-links", (ROOT / file).read_text())
