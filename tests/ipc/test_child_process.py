"""Helper processes as they are started."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from edge.ipc import child_process
from edge.ipc.shared_memory import SharedPictures


def test_a_helper_is_told_no_secret_by_its_environment(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets = ("EDGE_TOKEN", "EDGE_ADMIN_TOKEN", "edge_turn_secret", "EDGE_ICE_SERVERS")
    for name in secrets:  # in any case, as settings are read
        monkeypatch.setenv(name, "hush hush")
    monkeypatch.setenv("EDGE_CACHE", "here")
    program = "import os; print(dict(os.environ))"
    slots = SharedPictures.create(1, 4096)
    one, other = socket.socketpair()
    with one, other:
        process = child_process._spawn(
            [sys.executable, "-c", program], one.fileno(), slots.fd, {"A": "b"}
        )
        assert process.wait() == 0
    slots.close()
    told = capfd.readouterr().err
    assert "'EDGE_CACHE': 'here'" in told
    assert "'A': 'b'" in told
    assert "hush" not in told
    assert os.environ["EDGE_TOKEN"] == "hush hush"
