"""What a run of a service leaves: its exit status, and that it was stopped."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.cli.end_signals import SIGNALS
from edge.cli.service import run_service
from edge.config import Settings
from edge.observability import garbage_collector
from edge.startup import StartError


@pytest.fixture(autouse=True)
def _process_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(garbage_collector, "freeze", lambda: None)
    level = logging.getLogger().level
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in before.items():
        signal.signal(number, handler)
    assert logging.getLogger().level == level


class Recorded:
    """Notes what is called; `refuses` makes its start fail."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.calls: list[str] = []
        self._refuses = refuses

    leave_s = 0.0

    async def start(self) -> None:
        self.calls.append("start")
        if self._refuses:
            raise StartError("port: taken")

    async def leave(self) -> None:
        self.calls.append("leave")

    async def stop(self) -> None:
        self.calls.append("stop")


def test_cancelled_as_by_a_signal_it_ends_well() -> None:
    service = Recorded()

    def announce(each: Recorded) -> None:
        each.calls.append("announce")
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    assert run_service(Settings(), lambda: service, announce, verbose=False) == 0
    assert service.calls == ["start", "announce", "leave", "stop"]


def test_one_that_cannot_start_is_stopped_and_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = Recorded(refuses=True)
    assert run_service(Settings(), lambda: service, lambda _: None, verbose=False) == 1
    assert service.calls == ["start", "stop"]
    assert "port: taken" in capsys.readouterr().err


def test_one_that_cannot_be_made_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    def make() -> Recorded:
        raise ValueError("token: too short")

    assert run_service(Settings(), make, lambda _: None, verbose=False) == 1
    assert "token: too short" in capsys.readouterr().err


def test_a_log_file_that_cannot_be_written_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(log_file=tmp_path)
    assert run_service(settings, Recorded, lambda _: None, verbose=False) == 1
    assert "log_file" in capsys.readouterr().err
