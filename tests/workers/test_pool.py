from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from edge.ipc.shared_memory import NoFreeSlotError, PictureTooLargeError
from edge.workers import WorkerError, WorkerOptions, WorkerPool
from edge.workers.handle import NotReadyError
from tests.workers.misbehaving import FATAL_WORDS, checksum
from tests.workers.recorder import FAST, VARIANT, Recorder, flawed, noise

Simulated = Callable[[float], str]

FOREVER_MS = 600_000.0


def make(
    recorder: Recorder,
    device: str,
    options: WorkerOptions,
    *,
    slots: int = 16,
    max_pixels: int = 2**20,
) -> WorkerPool:
    return WorkerPool(
        [device],
        ["yolov4-tiny"],
        on_done=recorder.on_done,
        on_state=recorder.on_state,
        on_progress=recorder.on_progress,
        slots=slots,
        max_pixels=max_pixels,
        options=options,
    )


@asynccontextmanager
async def running(
    recorder: Recorder,
    device: str,
    options: WorkerOptions | None = None,
    *,
    slots: int = 16,
    max_pixels: int = 2**20,
) -> AsyncIterator[WorkerPool]:
    pool = make(
        recorder,
        device,
        options or WorkerOptions(supervision=FAST),
        slots=slots,
        max_pixels=max_pixels,
    )
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()


def pid_of(pool: WorkerPool) -> int:
    pid = pool.status[0].pid
    assert pid is not None
    return pid


def exists(pid: int) -> bool:
    """Whether a child of ours is still there, be it only to be reaped."""
    return pid in children()


def children() -> list[int]:
    """Workers of this process; other tests' helpers are none of them."""
    return [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
        if b"edge.workers" in Path("/proc", pid, "cmdline").read_bytes()
    ]


async def test_every_pixel_reaches_the_worker(simulated: Simulated) -> None:
    recorder = Recorder()
    sizes = [(1, 1), (2, 3), (17, 31), (319, 241), (640, 272), (1280, 720), (720, 1280)]
    async with running(recorder, simulated(1.0), flawed("none")) as pool:
        for number, size in enumerate(sizes * 3):
            pictures = [noise(*size, seed=number + extra) for extra in range(3)]
            pool.submit(0, number, VARIANT, pictures)
            result = await recorder.result(number)
            assert [boxes[0][0] for boxes in result.boxes] == [checksum(p) for p in pictures]


async def test_batches_end_in_the_order_they_came_with_their_times(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(3.0)) as pool:
        for number in range(5):
            pool.submit(0, number, VARIANT, [noise(416, 234)] * 2)
        await recorder.result(4)
    results = [await recorder.result(number) for number in range(5)]
    assert list(recorder.outcomes) == [0, 1, 2, 3, 4]
    assert all(result.ended_ms - result.started_ms >= 3.0 for result in results)
    assert [result.device_ms for result in results] == pytest.approx([6.0] * 5)
    for before, after in pairwise(results):
        assert before.ended_ms <= after.started_ms
    assert pool.status[0].batches == 5
    assert pool.status[0].failures == 0


async def test_a_simulated_device_says_so(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(1.0)) as pool:
        assert pool.status[0].description.startswith("simulated")
        assert recorder.states == ["starting", "ready"]
        assert pool.profiles[0].latency_ms(VARIANT, (416, 256), 1) == pytest.approx(1.0)


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


async def test_what_can_not_be_a_batch_is_refused(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(1.0), max_pixels=640 * 480) as pool:
        with pytest.raises(PictureTooLargeError, match="1920x1080"):
            pool.submit(0, 0, VARIANT, [noise(1920, 1080)])
        with pytest.raises(ValueError, match="yolov9"):
            pool.submit(0, 1, "yolov9", [noise(64, 64)])
        with pytest.raises(ValueError, match="no pictures"):
            pool.submit(0, 2, VARIANT, [])
        pool.submit(0, 3, VARIANT, [noise(640, 480)] * 8)
        await recorder.result(3)
    assert list(recorder.outcomes) == [3]


async def test_stop_lets_what_runs_finish(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(100.0)) as pool:
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        pool.submit(0, 1, VARIANT, [noise(64, 64)])
    await recorder.result(0)
    await recorder.result(1)


@pytest.mark.parametrize("stopped", [False, True])
async def test_stop_waits_for_no_one_for_long(simulated: Simulated, stopped: bool) -> None:
    recorder = Recorder()
    options = WorkerOptions(supervision=replace(FAST, stop_grace_s=0.1))
    async with running(recorder, simulated(FOREVER_MS), options) as pool:
        worker = pid_of(pool)
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        if stopped:
            os.kill(worker, signal.SIGSTOP)
        await pool.stop()
        assert "stopping" in (await recorder.failure(0)).message
        assert not exists(worker)
        with pytest.raises(NotReadyError):
            pool.submit(0, 1, VARIANT, [noise(64, 64)])
    assert recorder.states == ["starting", "ready"]
    assert recorder.done_counts == {0: 1}


async def test_stop_in_mid_start_ends_the_start(simulated: Simulated) -> None:
    recorder = Recorder()
    pool = make(recorder, simulated(1.0), flawed("silent-start"))
    starting = asyncio.create_task(pool.start())
    await recorder.state("starting", 1)
    worker = pid_of(pool)
    await pool.stop()
    with pytest.raises(WorkerError, match="stopped before it was ready"):
        await starting
    assert not exists(worker)


async def test_a_cancelled_start_leaves_no_process(simulated: Simulated) -> None:
    recorder = Recorder()
    pool = make(recorder, simulated(1.0), flawed("silent-start"))
    starting = asyncio.create_task(pool.start())
    await recorder.state("starting", 1)
    worker = pid_of(pool)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert not exists(worker)


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


async def test_one_bad_device_stops_the_others(simulated: Simulated, tmp_path: Path) -> None:
    recorder = Recorder()
    pool = WorkerPool(
        [simulated(1.0), "cpu"],
        ["yolov4-tiny"],
        on_done=recorder.on_done,
        on_state=recorder.on_state,
        options=WorkerOptions(weights={"yolov4-tiny": tmp_path / "none.weights"}),
    )
    with pytest.raises(WorkerError, match=r"cpu: can't start: .*none\.weights"):
        await pool.start()
    assert children() == []


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:x", "sim:", ""])
def test_an_unknown_device_is_refused_at_once(device: str) -> None:
    with pytest.raises(ValueError, match="unknown device"):
        WorkerPool([device], [], on_done=lambda *_: None, on_state=lambda *_: None)


@pytest.mark.parametrize("slots", [0, 65])
def test_a_number_of_slots_out_of_bounds_is_refused(slots: int) -> None:
    with pytest.raises(ValueError, match="slots"):
        WorkerPool(["cpu"], [], on_done=lambda *_: None, on_state=lambda *_: None, slots=slots)


async def test_nothing_is_left_behind(simulated: Simulated) -> None:
    def held() -> tuple[int, int, list[int]]:
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count(), children()

    async def life() -> None:
        recorder = Recorder()
        async with running(recorder, simulated(1.0)) as pool:
            for round_ in range(3):
                pool.submit(0, round_, VARIANT, [noise(64, 64)])
                os.kill(pid_of(pool), signal.SIGKILL)
                await recorder.outcome(round_)
                await recorder.state("ready", round_ + 2)
            pool.submit(0, 9, VARIANT, [noise(64, 64)])
        await recorder.result(9)

    await life()  # the first loads what stays loaded
    before = held()
    await life()
    assert held() == before
    assert before[2] == []


async def ended(pid: int) -> None:
    """Wait for the end of a process that may be no child of ours."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(pidfd, over.set)
    await over.wait()
    asyncio.get_running_loop().remove_reader(pidfd)
    os.close(pidfd)


SERVER = """
import asyncio, sys
from edge.workers import WorkerPool
from tests.workers.recorder import FAST, VARIANT, noise

async def main():
    pool = WorkerPool([sys.argv[1]], ["yolov4-tiny"], on_done=print, on_state=lambda *_: None)
    await pool.start()
    if sys.argv[2] == "busy":
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
    print(pool.status[0].pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("work", ["idle", "busy"])
async def test_a_killed_server_takes_its_workers_with_it(simulated: Simulated, work: str) -> None:
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", SERVER, simulated(FOREVER_MS), work),
        stdout=asyncio.subprocess.PIPE,
    )
    assert server.stdout is not None
    worker = int(await server.stdout.readline())
    server.kill()
    await server.wait()
    await ended(worker)


async def test_ctrl_c_and_termination_are_left_to_the_server(simulated: Simulated) -> None:
    recorder = Recorder()
    async with running(recorder, simulated(50.0)) as pool:
        worker = pid_of(pool)
        assert os.getpgid(worker) != os.getpgid(0)
        pool.submit(0, 0, VARIANT, [noise(64, 64)])
        os.kill(worker, signal.SIGINT)
        os.kill(worker, signal.SIGTERM)
        await recorder.result(0)
        pool.submit(0, 1, VARIANT, [noise(64, 64)])
        await recorder.result(1)
        assert pid_of(pool) == worker
