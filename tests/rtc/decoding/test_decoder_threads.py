"""Decoding threads shared by the sessions of an event loop."""

from __future__ import annotations

import asyncio
import threading

from edge.rtc.decoding.decoder_threads import MAX_THREADS, DecoderThreads


async def test_a_long_job_delays_no_other_session() -> None:
    users = [DecoderThreads.acquire() for _ in range(2)]
    assert users[0] is users[1]
    threads, release, done = users[0], threading.Event(), asyncio.Event()
    threads.submit(release.wait)
    threads.submit(lambda: threads.call_in_loop(done.set))
    async with asyncio.timeout(60):
        await done.wait()  # though the first is still running
    release.set()
    for _ in users:
        threads.release()
    threads.join()


async def test_threads_are_few_and_end_with_the_last_user() -> None:
    before = threading.active_count()
    threads, *_ = [DecoderThreads.acquire() for _ in range(20)]
    assert threading.active_count() <= before + MAX_THREADS
    for _ in range(19):
        threads.release()
    done = asyncio.Event()
    threads.submit(lambda: threads.call_in_loop(done.set))
    async with asyncio.timeout(60):
        await done.wait()
    threads.release()
    threads.join()
    assert threading.active_count() == before
    again = DecoderThreads.acquire()
    assert again is not threads
    again.release()
    again.join()


async def test_results_come_in_order_and_a_failing_one_stops_none() -> None:
    threads, results, done = DecoderThreads.acquire(), list[int](), asyncio.Event()

    def job() -> None:
        threads.call_in_loop(results.append, 1)
        threads.call_in_loop(lambda: 1 // 0)
        threads.call_in_loop(results.append, 2)
        threads.call_in_loop(done.set)
        raise SystemExit  # a thread is for all sessions: it lives on

    threads.submit(job)
    async with asyncio.timeout(60):
        await done.wait()
    assert results == [1, 2]
    threads.release()
    threads.join()
