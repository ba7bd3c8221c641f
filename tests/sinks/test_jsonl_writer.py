"""Lines of JSON in real files: rotation, torn lines, a full disk."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edge.base import backoff
from edge.sinks.event_filter import ResultMessage
from edge.sinks.files.jsonl_writer import JsonLinesWriter
from edge.sinks.files.line_file import LineFile
from edge.sinks.sink import Sink
from edge.sinks.writer import DeliveryError
from tests.sinks.parts import batch, detections, event, settings, until


def lines(folder: Path, name: str = "it") -> list[dict[str, Any]]:
    """Of all files, the oldest first; each must be whole."""
    files = [*sorted(folder.glob(f"{name}-*.jsonl")), folder / f"{name}.jsonl"]
    text = "".join(each.read_text() for each in files if each.exists())
    assert not text or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def numbered(*numbers: int) -> list[Any]:
    return [event(json.dumps({"type": "detections", "n": n, "at": 1e9 + n})) for n in numbers]


async def test_events_are_lines_and_gaps_are_told_in_their_place(tmp_path: Path) -> None:
    writer = JsonLinesWriter(settings("jsonl", folder=tmp_path / "new" / "folder"))
    await writer.deliver(batch(*numbered(1, 2)))
    await writer.deliver(batch(*numbered(7), dropped=4, total=9))
    await writer.close()
    one, two, gap, seven = lines(tmp_path / "new" / "folder")
    assert [one["n"], two["n"], seven["n"]] == [1, 2, 7]
    assert (gap["type"], gap["dropped"], gap["dropped_total"]) == ("gap", 4, 9)
    [file] = (tmp_path / "new" / "folder").iterdir()
    assert file.stat().st_mode & 0o007 == 0  # not for everybody


async def test_files_are_bounded_in_size_and_number(tmp_path: Path) -> None:
    its = settings("jsonl", folder=tmp_path, max_bytes=10_000, files=3)
    writer = JsonLinesWriter(its)
    for number in range(2000):
        await writer.deliver(batch(*numbered(number)))
    await writer.close()
    files = [*tmp_path.iterdir()]
    assert len(files) == 4
    assert all(file.stat().st_size <= 10_000 for file in files)
    kept = [line["n"] for line in lines(tmp_path)]
    assert kept == [*range(kept[0], 2000)]  # the newest, without a hole


async def test_an_old_file_is_rotated_without_new_lines_and_after_a_restart(
    tmp_path: Path,
) -> None:
    its = settings("jsonl", folder=tmp_path, max_age_s=3600)
    old = json.dumps({"at": time.time() - 3700}) + "\n"
    (tmp_path / "it.jsonl").write_text(old)
    writer = JsonLinesWriter(its)
    await writer.maintain()
    await writer.close()
    [rotated] = tmp_path.glob("it-*.jsonl")
    assert rotated.read_text() == old
    (tmp_path / "it.jsonl").write_text(json.dumps({"at": time.time() - 3500}) + "\n")
    await writer.maintain()
    await writer.close()
    assert len([*tmp_path.glob("it-*.jsonl")]) == 1


@pytest.mark.parametrize("torn", ['{"type":"det', "x" * 200_000, '{"n":3}'])
async def test_a_torn_last_line_is_cut_off_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, torn: str
) -> None:
    (tmp_path / "it.jsonl").write_text('{"n":1}\n{"n":2}\n' + torn)
    writer = JsonLinesWriter(settings("jsonl", folder=tmp_path))
    await writer.maintain()
    await writer.deliver(batch(*numbered(4)))
    await writer.close()
    assert [line["n"] for line in lines(tmp_path)] == [1, 2, 4]
    assert f"event=sink_torn_line sink=it bytes={len(torn)}" in caplog.text


def _write_for_ever(folder: Path, begun: Any) -> None:
    file = LineFile(folder, "it", max_bytes=10**9, max_age_s=1e9, files=1)
    data = "".join(json.dumps({"n": n, "pad": "x" * 3000}) + "\n" for n in range(300)).encode()
    while True:
        file.append(data)
        begun.set()


def test_a_process_killed_while_it_writes_leaves_a_file_that_goes_on(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    for _ in range(3):
        begun = context.Event()
        process = context.Process(target=_write_for_ever, args=(tmp_path, begun))
        process.start()
        assert begun.wait(60)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        file = LineFile(tmp_path, "it", max_bytes=10**9, max_age_s=1e9, files=1)
        file.append(b'{"n":"after"}\n')
        file.close()
        assert lines(tmp_path)[-1] == {"n": "after"}


async def test_a_full_disk_fails_the_batch_and_leaves_no_half_line(tmp_path: Path) -> None:
    (tmp_path / "it.jsonl").symlink_to("/dev/full")
    writer = JsonLinesWriter(settings("jsonl", folder=tmp_path))
    with pytest.raises(DeliveryError, match="No space left on device"):
        await writer.deliver(batch(*numbered(1)))
    (tmp_path / "it.jsonl").unlink()
    await writer.deliver(batch(*numbered(1)))
    await writer.close()
    assert [line["n"] for line in lines(tmp_path)] == [1]


def test_a_line_half_written_to_a_full_disk_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = LineFile(tmp_path, "it", max_bytes=10**6, max_age_s=1e9, files=1)
    file.append(b'{"n":1}\n')
    real, calls = os.write, []

    def short(fd: int, data: bytes) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return real(fd, bytes(data)[:4])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", short)
        with pytest.raises(OSError, match="No space"):
            file.append(b'{"n":2}\n')
    file.append(b'{"n":3}\n')
    file.close()
    assert [line["n"] for line in lines(tmp_path)] == [1, 3]


def test_a_moved_file_is_left_alone(tmp_path: Path) -> None:
    file = LineFile(tmp_path, "it", max_bytes=10**6, max_age_s=1e9, files=1)
    file.append(b'{"n":1}\n')
    (tmp_path / "it.jsonl").rename(tmp_path / "mine")
    file.append(b'{"n":2}\n')
    file.close()
    assert (tmp_path / "mine").read_text() == '{"n":1}\n'
    assert [line["n"] for line in lines(tmp_path)] == [2]


async def test_two_writers_do_not_share_a_file(tmp_path: Path) -> None:
    first, second = (JsonLinesWriter(settings("jsonl", folder=tmp_path)) for _ in range(2))
    await first.maintain()
    with pytest.raises(DeliveryError, match="another process writes this file"):
        await second.maintain()
    await first.close()
    await second.maintain()
    await second.close()


async def test_a_disk_that_is_full_for_a_while_costs_the_oldest_events_and_nobody_a_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_S", 0.01)
    monkeypatch.setattr(backoff, "MOST_S", 0.05)
    its = settings("jsonl", folder=tmp_path, queue_events=2000)
    (tmp_path / "it.jsonl").symlink_to("/dev/full")
    sink = Sink(its, JsonLinesWriter(its))
    sink.start()

    def put(count: int) -> None:
        for _ in range(count):
            sink.put(ResultMessage("abc", "gate", detections(("person", 0.9)), 1000.0))

    put(5000)
    await until(lambda: sink.failures >= 2)
    put(5000)
    (tmp_path / "it.jsonl").unlink()
    await until(lambda: sink.waiting == 0)
    await sink.stop(2.0)
    found = lines(tmp_path)
    told = sum(line["dropped"] for line in found if line["type"] == "gap")
    events = [line for line in found if line["type"] == "detections"]
    assert told == sink.queue.lost == 10_000 - len(events) > 0


async def test_a_disk_that_hangs_holds_up_neither_events_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    its = settings("jsonl", folder=tmp_path)
    go_on = threading.Event()
    sink = Sink(its, JsonLinesWriter(its))
    hanging = threading.Event()

    def hang(self: LineFile, data: bytes) -> None:
        hanging.set()
        go_on.wait(60)

    monkeypatch.setattr(LineFile, "append", hang)
    sink.start()
    sink.put(ResultMessage("abc", "gate", detections(), 1000.0))
    await until(hanging.is_set)
    sink.put(ResultMessage("abc", "gate", detections(), 1000.0))  # returns
    await sink.stop(0.6)
    assert sink.queue.losses["left"] == 2
    go_on.set()
