"""Notifications to the service manager, over real datagram sockets."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edge.observability import systemd


@pytest.mark.parametrize("abstract", [False, True])
def test_a_state_is_sent_to_the_manager_s_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    name = f"@edge-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name[1:]}" if abstract else name)
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        systemd.notify("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "relative/path", "/no/such/socket"])
def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    systemd.notify("READY=1")
    monkeypatch.delenv("NOTIFY_SOCKET")
    systemd.notify("STOPPING=1")


@pytest.mark.parametrize(
    ("interval", "process", "expected"),
    [
        ("45000000", None, 45.0),
        ("45000000", str(os.getpid()), 45.0),
        ("45000000", "1", None),
        ("", None, None),
        ("0", None, None),
        ("soon", None, None),
    ],
    ids=["set", "this process", "another process", "empty", "zero", "no number"],
)
def test_the_watchdogs_interval_is_that_of_this_process(
    monkeypatch: pytest.MonkeyPatch, interval: str, process: str | None, expected: float | None
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", interval)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if process is not None:
        monkeypatch.setenv("WATCHDOG_PID", process)
    assert systemd.watchdog_s() == expected
