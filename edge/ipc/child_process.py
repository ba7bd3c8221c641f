"""A child process as the server sees it: its start, its messages, its shared memory, its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic

from edge.ipc.child_run import child_environment
from edge.ipc.messages import Codec
from edge.ipc.pipe import Message, Pipe
from edge.ipc.shared_memory import SharedPictures

_EXIT_GRACE_S = 0.2  # between a child's closing its socket and its end


@dataclass(frozen=True, slots=True)
class Program(Generic[Message]):
    """A child's command line, its messages, and its shared memory: `slots` of `slot_bytes` each.

    `command` is followed by the numbers of the inherited socket and memory, and this process' id.
    Variables that are set already take precedence over `environment`.
    """

    command: tuple[str, ...]
    codec: Codec[Message]
    slots: int
    slot_bytes: int
    environment: Mapping[str, str] = field(default_factory=dict)


class ChildProcess(Generic[Message]):
    """A child process, its socket and its memory; `lost` becomes true once and stays so.

    Lives on the event loop's thread. `on_message` gets what it sends, until it is lost;
    `on_lost(reason)` is called at most once: the process ended, sent something malformed, stopped
    reading, or `lose` was called.
    """

    def __init__(
        self,
        program: Program[Message],
        *,
        on_message: Callable[[Message], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """Start the process, without the secrets of this one's environment; OSError on failure."""
        self.slots = slots = SharedPictures.create(program.slots, program.slot_bytes)
        self.lost = False
        self.reaped = asyncio.Event()
        self._on_message = on_message
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._exit_timer: asyncio.TimerHandle | None = None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            self._process = _spawn(program.command, theirs.fileno(), slots.fd, program.environment)
        except BaseException:
            ours.close()
            slots.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        # Not reaped yet, so no other process can have this id.
        self._pidfd = os.pidfd_open(self.pid)
        self._pipe: Pipe[Message] = Pipe(
            ours,
            encode=program.codec.encode,
            decode=program.codec.decode,
            on_message=self._handle,
            on_closed=self._closed,
            on_fault=self.lose,
        )
        self._loop.add_reader(self._pidfd, self._exited)

    def send(self, message: Message) -> None:
        """Send; a child that has left too many messages unread is lost."""
        if not self.lost:
            self._pipe.send(message)

    def read(self, limit: int | None = None) -> None:
        """Handle the messages that have arrived, before a silent child is given up."""
        if not self.lost:
            self._pipe.read(limit)

    def lose(self, reason: str) -> None:
        """Give the child up and kill it; `reaped` follows."""
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
        """Wait `grace_s` for the process to end by itself, then kill it and wait `kill_s`."""
        if not await _within(self.reaped, grace_s):
            self.kill()
            await _within(self.reaped, kill_s)
        if not self.lost:
            self._stop_listening()

    def _handle(self, message: Message) -> None:
        if not self.lost:
            self._on_message(message)

    def _closed(self) -> None:
        """It closed its socket, so it is ending: wait briefly for its exit status, then kill it."""
        self._exit_timer = self._loop.call_later(
            _EXIT_GRACE_S, self.lose, "closed its connection and went on running"
        )

    def _exited(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        code = self._process.wait()
        self.reaped.set()
        self.read()  # messages sent before it ended still count
        if not self.lost:
            self._stop_listening()
            self._on_lost(_exit_reason(code))

    def _stop_listening(self) -> None:
        self.lost = True
        if self._exit_timer is not None:
            self._exit_timer.cancel()
        self._pipe.close()
        self.slots.close()


def _spawn(
    command: Sequence[str], socket_fd: int, memory_fd: int, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """The process; it inherits the two descriptors, and its standard output goes to our errors."""
    return subprocess.Popen(
        [*command, str(socket_fd), str(memory_fd), str(os.getpid())],
        stdin=subprocess.DEVNULL,
        stdout=2,
        pass_fds=(socket_fd, memory_fd),
        env={**environment, **child_environment()},
        process_group=0,  # Ctrl-C is the server's to handle: it then stops its children in order
    )


def _exit_reason(code: int) -> str:
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
