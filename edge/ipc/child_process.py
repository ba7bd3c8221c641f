"""A helper process seen from the server: started, spoken with, watched, and ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Generic

from edge.ipc.pipe import Message, Pipe
from edge.ipc.shared_memory import SharedPictures

_ROOT = Path(__file__).resolve().parents[2]  # where the package `edge` lies
_EXIT_GRACE_S = 0.2  # between a helper's closing its socket and its end
# Settings that hold secrets: a helper that needs one is told it by its pipe.
_SECRETS = {"EDGE_TOKEN", "EDGE_ADMIN_TOKEN", "EDGE_TURN_SECRET", "EDGE_ICE_SERVERS"}


class ChildProcess(Generic[Message]):
    """A helper process, its socket and its memory; `lost` comes true once, for good.

    Lives on the event loop's thread. `on_message` gets what it sends, until it is lost;
    `on_lost(reason)` comes at most once: it ended, it spoke gibberish, it didn't listen, or `lose`
    was called.
    """

    def __init__(
        self,
        slots: SharedPictures,
        *,
        encode: Callable[[Message], bytes],
        decode: Callable[[memoryview], Message],
        on_message: Callable[[Message], None],
        on_lost: Callable[[str], None],
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start the process; it owns `slots` from here on. OSError if it can't be started.

        `command` is followed by the numbers of the inherited socket and memory, and this process'
        id; `environment` gives way to what is set already, of which secrets are left out.
        """
        self.slots = slots
        self.lost = False
        self.reaped = asyncio.Event()
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._exit_timer: asyncio.TimerHandle | None = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = _spawn(command, theirs.fileno(), slots.fd, environment or {})
        except BaseException:
            ours.close()
            slots.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        # The process is ours and not yet reaped, so its number can't have been given to another.
        self._pidfd = os.pidfd_open(self.pid)
        self._pipe: Pipe[Message] = Pipe(
            ours,
            encode=encode,
            decode=decode,
            on_message=self._handle,
            on_closed=self._closed,
            on_fault=self.lose,
        )
        self._loop.add_reader(self._pidfd, self._exited)

    def send(self, message: Message) -> None:
        """Send, or lose the helper if it hasn't listened for long."""
        if not self.lost:
            self._pipe.send(message)

    def read(self, limit: int | None = None) -> None:
        """Handle what has come: before giving up on a silent helper."""
        if not self.lost:
            self._pipe.read(limit)

    def lose(self, reason: str) -> None:
        """Give the helper up and kill it; `reaped` follows."""
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

    def _handle(self, message: Message) -> None:
        if not self.lost:
            self._on_message(message)

    def _closed(self) -> None:
        """Its socket is closed, so it is ending; wait shortly for how, then insist."""
        self._exit_timer = self._loop.call_later(
            _EXIT_GRACE_S, self.lose, "closed its connection and went on running"
        )

    def _exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._process.wait()
        self.reaped.set()
        self.read()  # what it sent before it ended counts
        if not self.lost:
            self._stop_listening()
            self._on_lost(_ending(code))

    def _stop_listening(self) -> None:
        self.lost = True
        if self._exit_timer is not None:
            self._exit_timer.cancel()
        self._pipe.close()
        self.slots.close()


def _spawn(
    command: Sequence[str], socket_fd: int, memory_fd: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """The process, with just the two descriptors and its standard output joined to the errors."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    ours = {name: text for name, text in os.environ.items() if name.upper() not in _SECRETS}
    return subprocess.Popen(
        [*command, str(socket_fd), str(memory_fd), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=2,
        pass_fds=(socket_fd, memory_fd),
        env={**environment, **ours, "PYTHONPATH": path},
        process_group=0,  # Ctrl-C is for the server, which then stops its helpers in order
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
