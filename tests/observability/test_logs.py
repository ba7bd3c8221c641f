"""Logs: one line an event, a session's name in its lines; trouble with them is not the server's."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.base.event_log import bound_contextvars, get_contextvars, get_logger
from edge.observability.logs import (
    QUEUE,
    REPEAT_KINDS,
    JsonFormatter,
    Logs,
    RepeatFilter,
    TextFormatter,
)
from edge.rtc.shared_timer import SharedTimer
from edge.session.session import Session
from tests.publisher import publishing
from tests.serving import base, local, noise, serving

log = get_logger("edge.test")


@contextmanager
def logged(*arguments: Any, **options: Any) -> Iterator[Logs]:
    """Logging set up as a server does; the root logger is as before afterwards."""
    root = logging.getLogger()
    level = root.level
    lines = Logs(*arguments, **options)
    try:
        yield lines
    finally:
        lines.close()
        root.setLevel(level)


def _fail(*_: object) -> None:
    raise ValueError("first\nsecond")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_an_event_is_a_line_even_with_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: Any
) -> None:
    file = tmp_path / "deep" / "edge.log"
    with logged(kind, file=file):
        log.info("joined", label="a door=1\nsession=x", ms=2.5, on=True)
        try:
            _fail()
        except ValueError:
            log.exception("bad")
        with bound_contextvars(session="abc123"):
            log.info("mine")
        log.info("ours")
    lines = file.read_text().splitlines()
    assert len(lines) == 4
    assert capsys.readouterr().err.splitlines() == lines
    if kind == "json":
        first, bad, mine, ours = map(json.loads, lines)
        assert (first["event"], first["level"]) == ("joined", "info")
        assert (first["label"], first["ms"], first["on"]) == ("a door=1\nsession=x", 2.5, True)
        assert "session" not in first
        assert "second" in bad["trace"]
        assert mine["session"] == "abc123"
        assert "session" not in ours
    else:
        assert lines[0].endswith(
            'edge.test event=joined label="a door=1\\nsession=x" ms=2.5 on=true'
        )
        assert lines[2].endswith("event=mine session=abc123")


@pytest.mark.parametrize("kind", ["text", "json"])
def test_what_a_peer_chose_moves_no_terminal(tmp_path: Path, kind: Any) -> None:
    chosen = "a\x1b[2J\x9b31m\x7f\x00b\u202ec\U000e0001 é"  # colours, erasing, reversed text
    file = tmp_path / "edge.log"
    with logged(kind, file=file):
        log.info("offer_refused", reason=chosen)
        logging.getLogger("library").warning("from %s", chosen)
    lines = file.read_text().splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.isprintable(), line
        assert "é" in line
    if kind == "json":
        assert json.loads(lines[0])["reason"] == chosen
        assert json.loads(lines[1])["message"] == f"from {chosen}"
    else:
        assert r"a\x1b[2J\x9b31m\x7f\x00b\u202ec" in lines[0]


@pytest.mark.parametrize("formatter", [TextFormatter(), JsonFormatter()])
def test_half_of_a_character_is_written_as_an_escape(formatter: logging.Formatter) -> None:
    """Not through a logger: the test run's own capture of logs could not be sent on."""
    record = logging.LogRecord("library", logging.WARNING, "", 0, "from %s", ("\ud800",), None)
    assert r"from \ud800" in formatter.format(record)


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_librarys_record_is_its_message(tmp_path: Path, kind: Any) -> None:
    file = tmp_path / "edge.log"
    with logged(kind, file=file), bound_contextvars(session="abc123"):
        logging.getLogger("library").warning("%d of them: n=%d", 2, 1)
    line = file.read_text()
    if kind == "json":
        fields = json.loads(line)
        assert (fields["message"], fields["session"]) == ("2 of them: n=1", "abc123")
        assert "n" not in fields
    else:
        assert line.endswith(" WARNING library 2 of them: n=1 session=abc123\n")


def test_a_file_makes_way_for_the_next(tmp_path: Path) -> None:
    file = tmp_path / "edge.log"
    with logged(file=file, file_bytes=10_000, files=3):
        for number in range(600):
            log.info("filler", number=number, text="x" * 50)
    kept = sorted(each.name for each in tmp_path.iterdir())
    assert kept == ["edge.log", "edge.log.1", "edge.log.2"]
    assert all(each.stat().st_size <= 10_000 for each in tmp_path.iterdir())
    assert "number=599" in file.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_two_processes_share_a_file_that_one_of_them_rotates(tmp_path: Path) -> None:
    path = tmp_path / "edge.log"
    program = (
        "import sys; from pathlib import Path; from edge.base.event_log import get_logger\n"
        "from edge.observability.logs import Logs\n"
        "logs = Logs(file=Path(sys.argv[1]), file_bytes=None); log = get_logger('edge.child')\n"
        "for number in range(300): log.info('child', number=number); print(flush=True); input()\n"
        "logs.close()"
    )
    with (
        logged(file=path, file_bytes=4_000, files=50),
        subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as child,
    ):
        assert child.stdin is not None
        assert child.stdout is not None
        for number in range(300):
            child.stdout.readline()
            log.info("parent", number=number)
            child.stdin.write("\n")
            child.stdin.flush()
        assert child.wait(60) == 0
    lines = [line for each in tmp_path.iterdir() for line in each.read_text().splitlines()]
    assert len(list(tmp_path.iterdir())) > 5
    for name in ("child", "parent"):
        numbers = [line.rpartition("=")[2] for line in lines if f"event={name} " in line]
        assert sorted(map(int, numbers)) == list(range(300))


def test_a_full_disk_costs_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    with logged(file=Path("/dev/full")) as lines:
        for number in range(100):
            log.info("filler", number=number)
    assert lines.lost == 100
    assert len(capsys.readouterr().err.splitlines()) == 100  # the other way is still open


def test_a_terminal_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    """More lines than the pipe and the queue hold: the rest is dropped, and told how many."""
    program = (
        "import logging, sys, edge.observability.logs as l\n"
        "lines = l.Logs()\n"
        "for n in range(3 * l.QUEUE): logging.info('event=filler text=%s', 'x' * 100)\n"
        "print(lines.lost, flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert int(process.stdout.readline()) > QUEUE
        drain = threading.Thread(target=process.stderr.read)
        drain.start()
        assert process.wait(timeout=60) == 0
        drain.join()


def test_a_terminal_that_nobody_reads_does_not_hold_up_the_end() -> None:
    program = (
        "import logging, edge.observability.logs as l\n"
        "lines = l.Logs()\n"
        "for n in range(COUNT): logging.info('event=filler text=%s', 'x' * 100)\n"
        "lines.close()\n"
        "print(lines.lost, flush=True)\n"
    )
    for count in (2_000, 3 * QUEUE):  # of which the pipe takes some; more than the queue holds
        with subprocess.Popen(
            [sys.executable, "-c", program.replace("COUNT", str(count))],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.wait(timeout=60) == 0
            assert process.stdout is not None
            assert process.stderr is not None
            written = process.stderr.read().count(" event=filler ")
            assert 0 < written <= count - int(process.stdout.read())


def test_a_log_file_that_cannot_be_is_a_usage_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "edge", "serve", "--log-file", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: log_file: ")


async def test_what_a_connection_logs_carries_its_session() -> None:
    """A handler that fails deep in the receive path, in a callback of the socket."""
    failed = asyncio.Event()
    names: list[str] = []

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            names.append(get_contextvars().get("session", ""))
            failed.set()

    watch = Watch()
    receiving = logging.getLogger("edge.rtc.guard.suppressed_errors")
    receiving.addHandler(watch)
    try:
        async with serving() as server, publishing(base(server), noise(320, 192)) as me:
            await me.wait_for_type("detections")
            [session] = server.sessions
            assert isinstance(session, Session)
            assert session.peer._transport is not None
            session.peer._transport._on_rtp = _fail
            async with asyncio.timeout(20):
                await failed.wait()
    finally:
        receiving.removeHandler(watch)
    assert set(names) == {session.name}


async def test_what_threads_and_shared_timers_call_carries_its_own_session() -> None:
    """Two sessions share the decoders' threads and one timer: each call is in its own context."""
    pictures: dict[str, set[str]] = {}
    enough = asyncio.Event()

    def watch(session: Session) -> None:
        name, receiver = session.name, session.peer._receiver
        assert receiver is not None
        pictures[name] = set()
        decoder, shown = receiver._decoder, receiver._decoder._on_picture

        def picture(*arguments: Any) -> None:
            pictures[name].add(get_contextvars().get("session", ""))
            shown(*arguments)
            if all(pictures.values()):
                enough.set()

        decoder._on_picture = picture

    async with (
        serving() as server,
        publishing(base(server), noise(320, 192)) as one,
        publishing(base(server), noise(320, 192)) as other,
    ):
        for each in (one, other):
            await each.wait_for_type("detections")
        for session in local(server):
            watch(session)
        async with asyncio.timeout(20):
            await enough.wait()
    assert pictures == {name: {name} for name in pictures}
    assert len(pictures) == 2


async def test_a_shared_timer_calls_each_in_the_context_it_was_added_in() -> None:
    beat = SharedTimer(0.01)
    heard: dict[str, asyncio.Future[str]] = {}
    loop = asyncio.get_running_loop()
    listeners = []
    for name in ("first", "second"):
        heard[name] = loop.create_future()

        def listener(name: str = name) -> None:
            if not heard[name].done():
                heard[name].set_result(get_contextvars().get("session", ""))

        listeners.append(listener)
        with bound_contextvars(session=name):
            beat.add(listener)
    async with asyncio.timeout(20):
        assert [await heard[name] for name in heard] == ["first", "second"]
    for listener in listeners:
        beat.remove(listener, loop)


def test_files_are_not_left_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with logged(file=tmp_path / "a.log"):
        log.info("x")
    assert len(os.listdir("/proc/self/fd")) == before


def _record(name: str, created_s: float, line: int = 1, value: int = 0) -> logging.LogRecord:
    record = logging.LogRecord(name, logging.ERROR, "x.py", line, "failed: %d", (value,), None)
    record.created = created_s
    return record


def test_a_librarys_repeated_error_is_written_once_a_second_with_its_count() -> None:
    repeats = RepeatFilter()
    records = [_record("asyncio", 100.0 + tick / 100, value=tick) for tick in range(201)]
    written = [record.getMessage() for record in records if repeats.filter(record)]
    assert written == ["failed: 0", "failed: 100 (and 99 like it)", "failed: 200 (and 99 like it)"]


def test_other_errors_and_our_own_events_are_not_held_back() -> None:
    repeats = RepeatFilter()
    assert repeats.filter(_record("aiohttp.server", 100.0))
    assert not repeats.filter(_record("aiohttp.server", 100.1))
    assert repeats.filter(_record("aiohttp.server", 100.1, line=2))
    assert repeats.filter(_record("aiohttp.web", 100.1))
    assert all(repeats.filter(_record("edge.session", 100.1)) for _ in range(3))


def test_the_memory_of_repeated_errors_is_bounded() -> None:
    repeats = RepeatFilter()
    for line in range(REPEAT_KINDS + 1):
        assert repeats.filter(_record("aioice", 100.0, line))
    assert repeats.filter(_record("aioice", 100.1, 0)), "the oldest is forgotten"
    assert not repeats.filter(_record("aioice", 100.1, REPEAT_KINDS))


def test_a_servers_logs_hold_repeated_errors_back(capsys: pytest.CaptureFixture[str]) -> None:
    with logged():
        for _ in range(50):
            logging.getLogger("asyncio").error("socket.accept() out of system resource")
    assert capsys.readouterr().err.count("out of system resource") == 1
