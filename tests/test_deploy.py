"""What is there to deploy fits the code: the unit, the container files, the settings they name."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from edge.config import OTHER_VARIABLES, Settings
from tests.serving import simulated

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"


@pytest.mark.parametrize(
    "name", ["Containerfile", "compose.yaml", "edge.service", "edge-direct.service"]
)
def test_only_settings_that_exist_are_named(name: str) -> None:
    named = set(re.findall(r"\bEDGE_[A-Z0-9_]+", (DEPLOY / name).read_text())) - set(
        OTHER_VARIABLES
    )
    known = {f"EDGE_{key.upper()}" for key in Settings.model_fields}
    assert named <= known


def test_what_the_image_copies_is_there_and_let_through() -> None:
    text = (DEPLOY / "Containerfile").read_text()
    copies = re.findall(r"^COPY (?!--)(.*)$", text, re.M)
    copied = {source for words in copies for source in words.split()[:-1]}
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text().splitlines()
    requirements = {"requirements.txt", "requirements-torch.txt"}
    assert copied == {*requirements, "edge", "web", "profiles", "edge.toml"}
    for each in copied:
        assert (ROOT / each).exists()
        assert f"!{each}" in ignored


def test_compose_has_both_variants_and_says_what_it_needs() -> None:
    compose: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, device in (("cpu", "cpu"), ("cuda", "cuda:0")):
        service = compose["services"][name]
        assert service["environment"]["EDGE_DEVICE"] == device
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert int(service["stop_grace_period"].removesuffix("s")) > 5
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
        values = {
            key.removeprefix("EDGE_").lower(): value
            for key, value in service["environment"].items()
            if value is not None and "TOKEN" not in key  # None: as it is outside
        }
        assert Settings(**values).udp_port_range is not None
        passed_on = {key for key, value in service["environment"].items() if value is None}
        assert {key.removeprefix("EDGE_").lower() for key in passed_on} <= set(
            Settings.model_fields
        )


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is missing")
@pytest.mark.parametrize("name", ["edge.service", "edge-direct.service"])
def test_systemd_takes_the_unit(name: str, tmp_path: Path) -> None:
    unit = tmp_path / name
    text = (DEPLOY / name).read_text()
    unit.write_text(text.replace("/opt/edge/.venv/bin/python", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert [line for line in done.stderr.splitlines() if name in line] == []


def test_the_service_manager_is_told_ready_and_stopping(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(60)
        command = [sys.executable, "-m", "edge", "serve", "--http", "--host", "127.0.0.1"]
        with subprocess.Popen(
            [*command, "--port", "0", "--device", simulated()],
            env={**os.environ, "NOTIFY_SOCKET": str(path)},
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            assert manager.recv(100) == b"READY=1"
            assert server.stdout is not None
            url = server.stdout.readline().split()[-1]
            port = url.rstrip("/").rpartition(":")[2]
            health = [sys.executable, "-m", "edge.cli.healthcheck"]
            environment = {**os.environ, "EDGE_HTTP": "true", "EDGE_PORT": port}
            assert subprocess.run(health, env=environment, check=False).returncode == 0
            server.terminate()
            assert manager.recv(100) == b"STOPPING=1"
            assert server.wait(60) == 0
            assert subprocess.run(health, env=environment, check=False).returncode == 1
