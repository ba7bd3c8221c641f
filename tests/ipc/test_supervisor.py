"""A supervised process: started, watched, killed when it hangs, restarted, stopped."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from edge.ipc.child_process import Program
from edge.ipc.messages import Ready, Stop
from edge.ipc.supervisor import ChildStartError, SupervisionPolicy, Supervisor
from tests.ipc.child import CODEC, Echo, Message, program

FAST = SupervisionPolicy(restart_first_s=0.01)


class RecordingOwner:
    """An owner; marks the process ready as soon as it reports that it is."""

    def __init__(self, child: Program[Message], policy: SupervisionPolicy = FAST) -> None:
        self.supervisor: Supervisor[Message] = Supervisor(child, policy, self)
        self.events: list[str] = []
        self._changed = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def on_starting(self) -> Message:
        self._record(self.supervisor.state)
        return Echo("setup")

    def on_message(self, message: Message) -> None:
        if isinstance(message, Ready):
            self.supervisor.mark_ready()
            self._record(f"ready {message.description}")
        elif isinstance(message, Echo):
            self._record(message.text)

    def on_lost(self, reason: str) -> None:
        assert self.supervisor.state == "lost"
        assert self.supervisor.child is None
        self._record(f"it {reason}")

    async def until(self, event: str, times: int = 1) -> None:
        """Wait until an event that contains `event` was recorded for the `times`th time."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: sum(event in each for each in self.events) >= times
            )

    def _record(self, event: str) -> None:
        self.events.append(event)
        task = asyncio.ensure_future(self._notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def running(behaviour: str = "works") -> AsyncIterator[RecordingOwner]:
    recorder = RecordingOwner(program(behaviour))
    await recorder.supervisor.start()
    try:
        yield recorder
    finally:
        await recorder.supervisor.stop(Stop())


def gone(pid: int | None) -> bool:
    return not os.path.exists(f"/proc/{pid}")


async def test_a_process_gets_its_setup_first_and_then_its_messages() -> None:
    async with running() as recorder:
        assert recorder.events == ["starting", "ready setup"]
        assert recorder.supervisor.is_ready
        recorder.supervisor.send(Echo("hello"))
        await recorder.until("hello")


async def test_a_stopped_process_ends_by_itself_and_is_not_reported_lost() -> None:
    async with running() as recorder:
        pid = recorder.supervisor.pid
    assert gone(pid)
    assert recorder.events == ["starting", "ready setup"]
    assert recorder.supervisor.state == "lost"
    assert not recorder.supervisor.is_ready
    assert recorder.supervisor.pid is None


async def test_a_frozen_process_is_killed_by_stop_after_its_grace() -> None:
    recorder = RecordingOwner(program("works"), replace(FAST, stop_grace_s=0.05))
    await recorder.supervisor.start()
    pid = recorder.supervisor.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await recorder.supervisor.stop(Stop())
    assert gone(pid)


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("exit", "it ended with exit code 5"),
        ("hang up", "it closed its connection and went on running"),
    ],
)
async def test_a_lost_process_is_replaced(order: str, reason: str) -> None:
    async with running() as recorder:
        recorder.supervisor.send(Echo(order))
        await recorder.until("ready", 2)
        assert recorder.events == ["starting", "ready setup", reason, "starting", "ready setup"]
        assert recorder.supervisor.restarts == 1
        recorder.supervisor.send(Echo("hello"))
        await recorder.until("hello")


async def test_a_silent_process_is_replaced_only_where_a_message_is_expected() -> None:
    async with running() as recorder:
        pid = recorder.supervisor.pid
        recorder.supervisor.expect_message(0.05)
        recorder.supervisor.expect_message(None)
        recorder.supervisor.send(Echo("hello"))
        await recorder.until("hello")
        recorder.supervisor.send(Echo("freeze"))
        recorder.supervisor.expect_message(0.05)
        await recorder.until("it gave no sign of life for 0.1 s")
        await recorder.until("ready", 2)
        assert gone(pid)


async def test_a_message_that_a_busy_loop_has_not_read_counts_as_a_sign_of_life() -> None:
    async with running() as recorder:
        child = recorder.supervisor.child
        assert child is not None
        recorder.supervisor.send(Echo("hello"))
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        descriptor = child._pipe._socket.fileno()
        loop.remove_reader(descriptor)
        loop.add_reader(descriptor, readable.set)
        await readable.wait()
        loop.remove_reader(descriptor)  # the message is there, and nobody reads it
        recorder.supervisor.expect_message(60.0)
        read = []
        original = recorder.on_message

        def on_message(message: Message) -> None:
            read.append(message)
            original(message)
            recorder.supervisor.expect_message(None)

        child._on_message = on_message
        recorder.supervisor._handle_silence(60.0)
        assert read == [Echo("hello")]
        assert not child.lost
        loop.add_reader(descriptor, child.read)


async def test_a_process_that_sends_gibberish_is_lost() -> None:
    recorder = RecordingOwner(program("gibberish"))
    with pytest.raises(ChildStartError, match="sent a malformed message"):
        await recorder.supervisor.start()
    await recorder.supervisor.stop(Stop())


async def test_a_first_start_is_tried_three_times() -> None:
    recorder = RecordingOwner(program("fails"))
    with pytest.raises(ChildStartError, match="ended with exit code 3"):
        await recorder.supervisor.start()
    assert recorder.events == ["starting", "it ended with exit code 3"] * 3


async def test_a_start_without_a_sign_of_life_is_given_up() -> None:
    recorder = RecordingOwner(program("freezes"), replace(FAST, start_silence_s=0.05))
    with pytest.raises(ChildStartError, match="no sign of life"):
        await recorder.supervisor.start()


async def test_a_start_without_retry_is_not_attempted_again() -> None:
    class Hopeless(RecordingOwner):
        def on_message(self, message: Message) -> None:
            self.supervisor.give_up("can't start: no such device", retry=False)

    recorder = Hopeless(program("works"))
    with pytest.raises(ChildStartError, match="no such device"):
        await recorder.supervisor.start()
    assert recorder.events == ["starting", "it can't start: no such device"]


async def test_a_program_that_does_not_exist_is_a_failed_start() -> None:
    recorder = RecordingOwner(Program(("/no/such/program",), CODEC, 1, 4096))
    with pytest.raises(ChildStartError, match="can't be started: .*No such file"):
        await recorder.supervisor.start()


async def test_stop_ends_a_start() -> None:
    recorder = RecordingOwner(program("freezes"))
    starting = asyncio.create_task(recorder.supervisor.start())
    await recorder.until("starting")
    await recorder.supervisor.stop(Stop())
    with pytest.raises(ChildStartError, match="stopped before it was ready"):
        await starting


def test_restarts_wait_twice_as_long_each_time_up_to_a_bound() -> None:
    delays = [SupervisionPolicy().restart_delay_s(losses) for losses in range(1, 2000)]
    assert delays[:4] == [0.25, 0.5, 1.0, 2.0]
    assert delays == sorted(delays)
    assert delays[-1] == 30.0


def test_only_a_process_that_was_ready_for_long_resets_the_delay() -> None:
    policy = SupervisionPolicy(steady_s=30.0)
    assert policy.losses_in_a_row(4, None) == 5
    assert policy.losses_in_a_row(4, 29.9) == 5
    assert policy.losses_in_a_row(4, 30.0) == 1
