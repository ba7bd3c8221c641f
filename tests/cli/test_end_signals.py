"""A real process ends on signals, whatever its event loop does."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

STUCK = {
    "python": "while True: pass",
    "c": "lock_twice()",  # signals do not interrupt it
}
PROGRAM = """
import asyncio, ctypes, os
from edge.cli import end_signals

def fill_stderr():
    os.set_blocking(2, False)
    try:
        while True:
            os.write(2, bytes(4096))
    except BlockingIOError:
        os.set_blocking(2, True)

def lock_twice():
    mutex = ctypes.create_string_buffer(64)
    for _ in range(2):
        ctypes.CDLL(None).pthread_mutex_lock(mutex)

async def main():
    end_signals.EndSignals(asyncio.current_task(), {stop_s})
    print("ready", flush=True)
    try:
        {body}
        await asyncio.Event().wait()
    finally:
        print("cleaned up", flush=True)
        {cleanup}

try:
    asyncio.run(main())
except asyncio.CancelledError:
    pass
"""


@contextmanager
def _program(
    body: str = "pass", cleanup: str = "pass", stop_s: float = 0.3
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(body=body, cleanup=cleanup, stop_s=stop_s)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_the_task(number: signal.Signals) -> None:
    with _program(stop_s=600.0) as process:
        process.send_signal(number)
        out, errors = process.communicate(timeout=60)
    assert (process.returncode, out, errors) == (0, "cleaned up\n", "")


@pytest.mark.parametrize("kind", ["python", "c"])
def test_a_stuck_loop_is_ended_after_the_time_to_stop(kind: str) -> None:
    with _program(STUCK[kind]) as process:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert errors == "error: not stopped 0.3 s after a signal: ended by force\n"


def test_a_hanging_clean_up_is_ended_as_well() -> None:
    with _program(cleanup="await asyncio.sleep(600)") as process:
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (1, "cleaned up\n")


@pytest.mark.parametrize("kind", ["python", "c"])
def test_a_second_signal_ends_a_stuck_process_at_once(kind: str) -> None:
    with _program(STUCK[kind], stop_s=600.0) as process:
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode in (128 + signal.SIGINT, 128 + signal.SIGTERM)
    assert errors == "error: ended by a second signal\n"


def test_an_unread_pipe_does_not_delay_the_end() -> None:
    with _program("fill_stderr(); lock_twice()") as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 1
