"""`edge setup`: installs only what is missing, and goes on where it may not install."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path
from typing import Any

import pytest

from edge.assets import samples, store
from edge.cli.commands import setup


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The apt-get commands that ran, on a machine where everything is cached and we are root."""
    ran: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr("subprocess.run", run)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(store, "cached", lambda asset: tmp_path)
    monkeypatch.setattr(samples, "street_video", lambda: tmp_path)
    monkeypatch.setattr(samples, "webm", lambda video: video)
    return ran


def _on_path(monkeypatch: pytest.MonkeyPatch, *programs: str) -> None:
    monkeypatch.setattr(
        "shutil.which", lambda name, path=None: f"/usr/bin/{name}" if name in programs else None
    )


def _setup(*packages: str) -> int:
    return setup.run(argparse.Namespace(packages=packages))


def test_only_missing_packages_are_installed(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _on_path(monkeypatch, "apt-get", "turnserver", "chromium")
    assert _setup("chromium", "firefox-esr", "coturn") == 0
    assert commands[0][:2] == ["apt-get", "update"]
    assert commands[1][:2] == ["apt-get", "install"]
    assert commands[1][-1] == "firefox-esr"
    assert "coturn" not in commands[1]
    assert len(commands) == 2


def test_packages_without_a_program_are_asked_of_the_package_manager(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _on_path(monkeypatch, "apt-get")
    monkeypatch.setattr(setup, "DPKG_INFO", tmp_path)
    (tmp_path / "python3-gi.list").touch()
    (tmp_path / "gstreamer1.0-plugins-ugly:amd64.list").touch()
    (tmp_path / "gstreamer1.0-plugins-base-apps.list").touch()
    assert _setup("python3-gi", "gstreamer1.0-plugins-ugly", "gstreamer1.0-plugins-base") == 0
    assert commands[1][-1] == "gstreamer1.0-plugins-base"
    assert "python3-gi" not in commands[1]


def test_nothing_missing_costs_nothing(
    commands: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _on_path(monkeypatch, "apt-get", "turnserver")
    assert _setup("coturn") == 0
    assert commands == []


def test_without_apt_the_command_for_the_user_is_printed(
    commands: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _on_path(monkeypatch)
    assert _setup("chromium", "coturn") == 0
    assert commands == []
    assert "sudo apt-get install chromium coturn" in capsys.readouterr().err
