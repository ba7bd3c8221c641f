"""A worker is watched, given up and replaced; each of its batches ends once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge.ipc.shared_memory import NoFreeSlotError
from edge.workers.handle import NotReadyError, WorkerError
from edge.workers.options import WorkerOptions
from edge.workers.pool import WorkerPool
from tests.workers.misbehaving import FATAL_WORDS
from tests.workers.pools import FOREVER_MS, exists, make, pid_of, running
from tests.workers.recorder import FAST, VARIANT, Recorder, flawed, noise

Simulated = Callable[[float], str]


async def test_a_killed_worker_fails_its_batches_once_and_comes_back(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(FOREVER_MS)) as pool:
        for number in range(3):
            pool.submit(0, number, VARIANT, [noise(64, 64)])
        os.kill(pid_of(pool), signal.SIGKILL)
        failures = [await recorder.failure(number) for number in range(3)]
        assert all("killed by SIGKILL" in failure.message for failure in failures)
        await recorder.state("ready", 2)
        assert recorder.events == [
            *("starting", "ready", "lost", "0 BatchFailure", "1 BatchFailure", "2 BatchFailure"),
            *("starting", "ready"),
        ]
        assert pool.status[0].restarts == 1
        assert pool.status[0].in_flight == 0
        for number in range(3, 19):  # every slot is there again
            pool.submit(0, number, VARIANT, [noise(64, 64)])
    assert set(recorder.done_counts.values()) == {1}


async def test_between_loss_and_return_batches_are_refused(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(1.0)) as pool:
        os.kill(pid_of(pool), signal.SIGKILL)
        await recorder.state("lost", 1)
        with pytest.raises(NotReadyError):
            pool.submit(0, 1, VARIANT, [noise(64, 64)])
        await recorder.state("ready", 2)
        pool.submit(0, 2, VARIANT, [noise(64, 64)])
        await recorder.result(2)
    assert 1 not in recorder.outcomes


async def test_a_hung_worker_is_replaced(simulated: Simulated) -> None:
    recorder = Recorder()
    options = WorkerOptions(hang_least_s=0.2, hang_factor=2.0, supervision=FAST)
    async with running(recorder, simulated(1.0), options) as pool:
        hung = pid_of(pool)
        os.kill(hung, signal.SIGSTOP)
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        pool.submit(0, 1, VARIANT, [noise(64, 64)])
        assert "no sign of life" in (await recorder.failure(0)).message
        await recorder.failure(1)
        await recorder.state("ready", 2)
        assert not exists(hung)
        pool.submit(0, 2, VARIANT, [noise(64, 64)])
        await recorder.result(2)


async def test_a_queue_of_slow_batches_is_no_hang(simulated: Simulated) -> None:
    recorder = Recorder()
    options = WorkerOptions(hang_least_s=0.5, hang_factor=2.0)
    async with running(recorder, simulated(150.0), options) as pool:
        for number in range(6):  # 0.9 s in all
            pool.submit(0, number, VARIANT, [noise(64, 64)])
        await recorder.result(5)
    assert recorder.states == ["starting", "ready"]


@pytest.mark.parametrize(
    ("flaw", "words"),
    [
        ("exits", "exit code 3"),
        ("gibberish", "malformed message"),
        ("wrong-batch", "not its turn"),
        ("hangs-up", "closed its connection"),
        ("sick", "illegal memory access"),
    ],
)
async def test_a_worker_that_goes_wrong_is_replaced(
    simulated: Simulated, flaw: str, words: str
) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(1.0), flawed(flaw)) as pool:
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        await recorder.result(0)
        pool.submit(0, 1, VARIANT, [noise(64, 64, first=255)])
        assert words in (await recorder.failure(1)).message
        await recorder.state("ready", 2)
        pool.submit(0, 2, VARIANT, [noise(64, 64)])
        await recorder.result(2)
        assert pool.status[0].restarts == 1
    assert set(recorder.done_counts.values()) == {1}


async def test_an_exception_fails_its_batch_alone(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(1.0), flawed("raises")) as pool:
        worker = pid_of(pool)
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        pool.submit(0, 1, VARIANT, [noise(64, 64), noise(64, 64, first=255)])
        pool.submit(0, 2, VARIANT, [noise(64, 64)])
        await recorder.result(0)
        assert (await recorder.failure(1)).message == "out of memory"
        await recorder.result(2)
        assert pid_of(pool) == worker
        assert (pool.status[0].batches, pool.status[0].failures) == (3, 1)
    assert recorder.states == ["starting", "ready"]


async def test_a_handler_that_raises_harms_nothing(
    simulated: Simulated, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()

    def on_done(device: int, batch_id: int, outcome: object) -> None:
        if batch_id == 0:
            raise KeyError("a fault of the owner's")
        recorder.on_done(device, batch_id, outcome)  # type: ignore[arg-type]

    pool = WorkerPool(
        [simulated(1.0)], ["yolov4-tiny"], on_done=on_done, on_state=recorder.on_state
    )
    await pool.start()
    try:
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        pool.submit(0, 1, VARIANT, [noise(64, 64)])
        await recorder.result(1)
    finally:
        await pool.stop()
    assert "a fault of the owner's" in caplog.text


async def test_a_worker_that_can_never_work_says_why(simulated: Simulated) -> None:
    recorder = Recorder()
    with pytest.raises(WorkerError, match=FATAL_WORDS):
        await make(recorder, simulated(1.0), flawed("fatal")).start()
    assert recorder.states == ["starting", "lost"]  # another try would end the same way


async def test_a_worker_that_dies_in_its_start_is_tried_again_but_not_for_ever(
    simulated: Simulated,
) -> None:
    recorder = Recorder()
    with pytest.raises(WorkerError, match="exit code 4"):
        await make(recorder, simulated(1.0), flawed("dies-starting")).start()
    assert recorder.states == ["starting", "lost"] * 3


async def test_a_start_without_progress_is_given_up(simulated: Simulated) -> None:
    recorder = Recorder()
    options = replace(flawed("silent-start"), supervision=replace(FAST, start_silence_s=0.5))
    with pytest.raises(WorkerError, match="no sign of life"):
        await make(recorder, simulated(1.0), options).start()


async def test_what_finds_no_slot_is_refused_and_then_there_is_room(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(100.0), slots=3) as pool:
        pool.submit(0, 0, VARIANT, [noise(64, 64)] * 2)
        with pytest.raises(NoFreeSlotError):
            pool.submit(0, 1, VARIANT, [noise(64, 64)] * 2)
        pool.submit(0, 2, VARIANT, [noise(64, 64)])
        await recorder.result(0)
        pool.submit(0, 3, VARIANT, [noise(64, 64)] * 2)
        await recorder.result(3)
    assert 1 not in recorder.outcomes
