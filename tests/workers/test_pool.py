"""A pool: pictures in, boxes out, in order; started and stopped as a whole."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from edge.ipc.shared_memory import PictureTooLargeError
from edge.workers.handle import NotReadyError, WorkerError
from edge.workers.options import WorkerOptions
from edge.workers.pool import WorkerPool
from tests.workers.misbehaving import checksum
from tests.workers.pools import FOREVER_MS, children, exists, make, pid_of, running
from tests.workers.recorder import FAST, VARIANT, Recorder, flawed, noise

Simulated = Callable[[float], str]


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
from edge.workers.pool import WorkerPool
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
