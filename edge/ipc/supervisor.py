"""Keeps one child process alive: starts it, watches it, kills it when it hangs, restarts it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Generic, Literal, Protocol

from edge.ipc.child_process import ChildProcess, Program
from edge.ipc.pipe import Message

ProcessState = Literal["starting", "ready", "lost"]

_START_ATTEMPTS = 3  # of the first start; a process that was ready once is restarted for ever
_KILL_S = 1.5  # from SIGKILL to the end of the process


class ChildStartError(RuntimeError):
    """A child process could not be started; the message is the reason, without a subject."""


@dataclass(frozen=True, slots=True)
class SupervisionPolicy:
    """The conditions for giving up a child process, and the delay until its restart.

    A start without a sign of life for `start_silence_s` is a hang. A stopped process has
    `stop_grace_s` to finish. Restarts wait from `restart_first_s`, doubling with each loss in a
    row, to `restart_most_s`; a process that was ready for `steady_s` resets the delay.
    """

    start_silence_s: float = 60.0
    stop_grace_s: float = 1.5
    restart_first_s: float = 0.25
    restart_most_s: float = 30.0
    steady_s: float = 30.0

    def restart_delay_s(self, losses: int) -> float:
        """Seconds to wait before the restart that follows the `losses`th loss in a row."""
        doublings = min(losses - 1, 32)
        return min(self.restart_most_s, self.restart_first_s * 2.0**doublings)

    def losses_in_a_row(self, losses: int, ready_s: float | None) -> int:
        """The count after one more loss, of a process that was ready for `ready_s` (or never)."""
        return 1 if ready_s is not None and ready_s >= self.steady_s else losses + 1


class Owner(Protocol[Message]):
    """The part of the server that a child process works for."""

    def on_starting(self) -> Message:
        """A process is about to be started; returns the first message to it."""

    def on_message(self, message: Message) -> None:
        """A message from the process."""

    def on_lost(self, reason: str) -> None:
        """The process is lost, as in "it " + `reason`; not called for a process that was stopped.

        Its shared memory is gone by now.
        """


class Supervisor(Generic[Message]):
    """A child process that is replaced whenever it is lost, from `start` to `stop`.

    Everything happens on the event loop's thread. The owner calls `mark_ready` once the process
    reports that it is, and `expect_message` to have it killed if it then stays silent.
    """

    def __init__(
        self, program: Program[Message], policy: SupervisionPolicy, owner: Owner[Message]
    ) -> None:
        self.state: ProcessState = "lost"
        self.restarts = 0
        self._program = program
        self._policy = policy
        self._owner = owner
        self._child: ChildProcess[Message] | None = None
        self._watchdog: asyncio.TimerHandle | None = None
        self._reason = ""
        self._may_retry = True
        self._is_stopping = False
        self._ready_at_s: float | None = None
        self._lost = asyncio.Event()
        self._started: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def child(self) -> ChildProcess[Message] | None:
        """The process, while there is one."""
        return None if self._child is None or self._child.lost else self._child

    @property
    def pid(self) -> int | None:
        """The process id, while there is a process."""
        return None if self.child is None else self.child.pid

    @property
    def is_ready(self) -> bool:
        """Whether work may be handed to the process."""
        return self.state == "ready" and not self._is_stopping

    async def start(self) -> None:
        """Start the process and wait until it is ready; ChildStartError if it never is."""
        self._started = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._keep_alive())
        await asyncio.wait({self._started, self._task}, return_when=asyncio.FIRST_COMPLETED)
        if not self._started.done():
            raise ChildStartError("stopped before it was ready")
        self._started.result()

    async def stop(self, message: Message) -> None:
        """End the process: `message` asks it to, with some grace if it is ready, then by force."""
        self._is_stopping = True
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        if self._child is not None:
            self._child.send(message)
            grace_s = self._policy.stop_grace_s if self.state == "ready" else 0.0
            await self._child.end(grace_s, _KILL_S)
            self._child = None
        self.expect_message(None)
        self.state = "lost"

    def send(self, message: Message) -> None:
        """Send to the process, if there is one."""
        if self._child is not None:
            self._child.send(message)

    def mark_ready(self) -> None:
        """The process has started; it is no longer expected to send messages."""
        self.expect_message(None)
        self._ready_at_s = asyncio.get_running_loop().time()
        self.state = "ready"
        if self._started is not None and not self._started.done():
            self._started.set_result(None)

    def expect_message(self, silence_s: float | None) -> None:
        """Give the process up `silence_s` from now, unless this is called again; None: never."""
        if self._watchdog is not None:
            self._watchdog.cancel()
            self._watchdog = None
        if silence_s is not None:
            loop = asyncio.get_running_loop()
            self._watchdog = loop.call_later(silence_s, self._handle_silence, silence_s)

    def give_up(self, reason: str, *, retry: bool = True) -> None:
        """Kill the process; without `retry`, a first start that fails is not attempted again."""
        self._may_retry = self._may_retry and retry
        if self._child is not None:
            self._child.lose(reason)

    async def _keep_alive(self) -> None:
        losses = attempts = 0
        while True:
            self._lost.clear()
            self._ready_at_s = None
            self.state = "starting"
            first = self._owner.on_starting()
            try:
                self._child = self._launch(first)
            except OSError as error:
                self._handle_loss(f"can't be started: {error}")
            await self._lost.wait()
            if self._child is not None:
                await self._child.end(0.0, _KILL_S)
                self._child = None
            attempts += 1
            is_over = not self._may_retry or attempts >= _START_ATTEMPTS
            if is_over and self._started is not None and not self._started.done():
                self._started.set_exception(ChildStartError(self._reason))
                return
            losses = self._policy.losses_in_a_row(losses, self._ready_s())
            await asyncio.sleep(self._policy.restart_delay_s(losses))
            self.restarts += 1

    def _launch(self, first: Message) -> ChildProcess[Message]:
        child = ChildProcess(
            self._program, on_message=self._owner.on_message, on_lost=self._handle_loss
        )
        self.expect_message(self._policy.start_silence_s)
        child.send(first)
        return child

    def _ready_s(self) -> float | None:
        if self._ready_at_s is None:
            return None
        return asyncio.get_running_loop().time() - self._ready_at_s

    def _handle_silence(self, silence_s: float) -> None:
        watchdog, child = self._watchdog, self._child
        if child is not None and not child.lost:
            child.read()  # if this event loop itself was late, a message may have come by now
            if self._watchdog is watchdog:
                child.lose(f"gave no sign of life for {silence_s:.1f} s")

    def _handle_loss(self, reason: str) -> None:
        self._reason = reason
        self.expect_message(None)
        if not self._is_stopping:
            self.state = "lost"
            self._owner.on_lost(reason)
        self._lost.set()
