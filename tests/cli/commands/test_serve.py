"""`edge serve`: bad settings in one line, the first line for programs, ends on signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from edge.cli.main import main
from tests.serving import simulated

SERVE = [sys.executable, "-m", "edge", "serve", "--host", "127.0.0.1", "--device", simulated()]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["serve", "--port", "70000"], "--port: "),
        (["serve", "--device", "gpu"], "--device: 'gpu'"),
        (["serve", "--config", "/no/such.toml"], "/no/such.toml: no such file"),
        (["serve", "--cert", "a.pem"], "cert and key"),
        (["serve", "--config", "README.md"], "README.md"),
    ],
)
def test_bad_settings_are_2_and_named(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_profile_that_is_missing_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--http", "--port", "0", "--device", "sim:/no/such.json"]) == 1
    assert "/no/such.json" in capsys.readouterr().err


def test_a_port_in_use_is_reported_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = str(occupied.getsockname()[1])
        environment = {**os.environ, "EDGE_DATA": str(tmp_path)}
        done = subprocess.run(
            [*SERVE, "--port", port],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 1
    assert f"port {port} is in use" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serving_starts_announces_its_address_and_ends_cleanly(
    tmp_path: Path, number: signal.Signals
) -> None:
    environment = {**os.environ, "EDGE_DATA": str(tmp_path)}
    with subprocess.Popen(
        [*SERVE, "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert line.startswith("Serving at https://localhost:")
    assert process.returncode == 0
    assert "Traceback" not in errors
    assert (tmp_path / "tls" / "ca.crt").is_file()


def test_a_weight_file_that_is_cut_short_is_named(tmp_path: Path) -> None:
    cut = tmp_path / "cut.weights"
    cut.write_bytes(b"\0" * 1000)
    command = [sys.executable, "-m", "edge", "serve", "--http", "--host", "127.0.0.1"]
    done = subprocess.run(
        [*command, "--port", "0", "--weights", str(cut)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "cut.weights" in done.stderr
    assert done.stderr.rstrip().splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
