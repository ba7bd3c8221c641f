"""The wheel, installed into an environment of its own, serves from any folder.

Its dependencies come from this environment: those that it declares are compared with what the code
imports in test_dependencies.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import urllib.error
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import edge
from tests.serving import simulated

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.package


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment with the wheel, and this one's packages as dependencies."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder)
    [packages] = folder.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    command += ["install", "--quiet", "--no-deps", "--ignore-installed", str(wheel)]
    subprocess.run(command, check=True)
    return folder / "bin"


@contextmanager
def _serving(command: list[str], folder: Path) -> Iterator[str]:
    """A server started in `folder`; its URL.

    It plans uncompiled: compiling at the wheel's own place would take a quarter of a minute.
    """
    inherited = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    command = [*command, "serve", "--http", "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        [*command, "--device", simulated()],
        cwd=folder,
        env={
            **inherited,
            "EDGE_DATA": str(folder),
            "EDGE_ADMIN_LOOPBACK": "true",
            "NUMBA_DISABLE_JIT": "1",
        },
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line.startswith("Serving at ")
            yield line.split()[-1]
        finally:
            server.terminate()
            assert server.wait(60) == 0


def _get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_wheel_holds_the_data_and_no_tests(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert wheel.name == f"edge_video-{edge.__version__}-py3-none-any.whl"
    for name in (
        "edge/api/openapi.yaml",
        "edge/resources/edge.toml",
        "edge/resources/web/templates/page.html",
        "profiles/accuracy-yolov4-tiny.json",
        "profiles/sim-rtx2080ti.json",
        "netem/experiments/smoke.toml",
    ):
        assert name in names
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {
        "analysis", "edge", "netem", "profiles", "traces",
    }  # fmt: skip
    assert f"edge_video-{edge.__version__}.dist-info/licenses/LICENSE" in names


def test_the_installed_server_has_its_pages(installed: Path, tmp_path: Path) -> None:
    with _serving([str(installed / "edge")], tmp_path) as url:
        for path, words in (
            ("", "<video"),
            ("admin", "<html"),
            ("api/openapi.yaml", "openapi: 3"),
        ):
            status, text = _get(url + path)
            assert (path, status) == (path, 200)
            assert words in text
        assert _get(url + "healthz")[0] == 200


def test_installed_commands_find_the_settings(installed: Path, tmp_path: Path) -> None:
    command = [str(installed / "edge"), "serve", "--print-config"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "\nport = 8443\n" in done.stdout
    where = [str(installed / "python"), "-c", "import edge; print(edge.__file__)"]
    done = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert str(installed.parent) in done.stdout  # and not the checkout
