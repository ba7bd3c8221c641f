"""One worker process seen from the server: started, spoken with, watched, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from edge.worker.messages import MAX_MESSAGE_BYTES, Message, MessageError, decode, encode
from edge.worker.shared import Slots

COMMAND = (sys.executable, "-P", "-m", "edge.worker")

_ROOT = Path(__file__).resolve().parents[2]  # where the package `edge` lies
# OpenMP's threads spin for milliseconds at each barrier by default. Where something else needs the
# cores (the browser of the demo, the decoders), a spinning thread keeps the one it waits for from
# running, and an inference takes several times as long.
OPENMP = {"GOMP_SPINCOUNT": "1000"}

_EXIT_GRACE_S = 0.2  # between a worker's closing its socket and its end
_MESSAGES_A_TURN = 32  # then the event loop's other work comes first


class Child:
    """A worker process, its socket and its memory; `lost` comes true once, for good.

    Lives on the event loop's thread. `on_message` gets what it sends, until it is lost;
    `on_lost(reason)` comes at most once: it ended, it spoke gibberish, or `lose` was called.
    """

    def __init__(
        self,
        slots: Slots,
        *,
        on_message: Callable[[Message], None],
        on_lost: Callable[[str], None],
        command: Sequence[str] = COMMAND,
    ) -> None:
        """Start the process; it owns `slots` from here on. OSError if it can't be started."""
        self.slots = slots
        self.lost = False
        self.reaped = asyncio.Event()
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray(MAX_MESSAGE_BYTES)
        self._exit_timer: asyncio.TimerHandle | None = None
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._socket.setblocking(False)
        try:
            self._process = _spawn(command, theirs.fileno(), slots.fd)
        except BaseException:
            self._socket.close()
            slots.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        # The process is ours and not yet reaped, so its number can't have been given to another.
        self._pidfd = os.pidfd_open(self.pid)
        self._loop.add_reader(self._socket.fileno(), self.read)
        self._loop.add_reader(self._pidfd, self._exited)

    def send(self, message: Message) -> None:
        """Send, or lose the worker: its socket holds far more than the slots let be in flight."""
        if self.lost:
            return
        try:
            self._socket.send(encode(message))
        except OSError as error:
            self.lose(f"can't be reached: {error}")

    def read(self, limit: int | None = _MESSAGES_A_TURN) -> None:
        """Handle what has come; called by the loop, and before giving up on a silent worker."""
        for _ in itertools.repeat(None) if limit is None else range(limit):
            if self.lost or self._exit_timer is not None:
                return
            try:
                length = self._socket.recv_into(self._buffer)
            except BlockingIOError:
                return
            except OSError:
                length = 0
            if length == 0:
                self._closed()
                return
            try:
                message = decode(memoryview(self._buffer)[:length])
            except MessageError as error:
                self.lose(f"sent what is no message: {error}")
                return
            self._on_message(message)

    def lose(self, reason: str) -> None:
        """Give the worker up and kill it; `reaped` follows."""
        self.kill()
        if not self.lost:
            self._stop_listening()
            self._on_lost(reason)

    def kill(self) -> None:
        """SIGKILL; harmless once it has ended."""
        if not self.reaped.is_set():
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    async def end(self, grace_s: float, kill_s: float) -> None:
        """Wait for the process's end: `grace_s` of its own accord, then `kill_s` once killed."""
        if not await _within(self.reaped, grace_s):
            self.kill()
            await _within(self.reaped, kill_s)
        if not self.lost:
            self._stop_listening()

    def _closed(self) -> None:
        """Its socket is closed, so it is ending; wait shortly for how, then insist."""
        self._loop.remove_reader(self._socket.fileno())
        self._exit_timer = self._loop.call_later(
            _EXIT_GRACE_S, self.lose, "closed its connection and went on running"
        )

    def _exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._process.wait()
        self.reaped.set()
        self.read(limit=None)  # what it sent before it ended counts
        if not self.lost:
            self._stop_listening()
            self._on_lost(_ending(code))

    def _stop_listening(self) -> None:
        self.lost = True
        if self._exit_timer is not None:
            self._exit_timer.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()
        self.slots.close()


def _spawn(command: Sequence[str], socket_fd: int, memory_fd: int) -> subprocess.Popen[bytes]:
    """The process, with just the two descriptors and its standard output joined to the errors."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    return subprocess.Popen(
        [*command, str(socket_fd), str(memory_fd), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=2,
        pass_fds=(socket_fd, memory_fd),
        env={**OPENMP, **os.environ, "PYTHONPATH": path},
        process_group=0,  # Ctrl-C is for the server, which then stops its workers in order
    )


def _ending(code: int) -> str:
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit code {code}"


async def _within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
