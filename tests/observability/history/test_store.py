"""The history on a real disk: kept over restarts, bounded, and never in anybody's way."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from edge.observability.history import database, store
from edge.observability.history.database import HistoryDatabase
from edge.observability.history.store import POINT_S, HistoryStore, HistoryUnavailableError


def summary(
    name: str = "abcdef", label: str = "gate", ended_s: float | None = None
) -> dict[str, Any]:
    return {"name": name, "label": label, "ended_s": time.time() if ended_s is None else ended_s}


@asynccontextmanager
async def kept(
    path: Path, hours: float = 24.0, max_bytes: int = 50_000_000
) -> AsyncIterator[HistoryStore]:
    history = HistoryStore(path, hours=hours, max_bytes=max_bytes)
    history.start()
    try:
        yield history
    finally:
        await asyncio.to_thread(history.stop)


async def test_points_and_sessions_outlive_a_restart(tmp_path: Path) -> None:
    path, now = tmp_path / "data" / "history.sqlite3", time.time()
    async with kept(path) as history:
        for second in range(2 * POINT_S + 3):
            history.add_point(now - 60.0 + second, {"sessions": 2.0, "answered": 30.0})
        history.add_ended(summary("aaaaaa"), {"session": {"fps": 15}, "history": {"t": [1.0]}})
        history.add_ended(summary("bbbbbb", "dock"), {"session": None, "history": None})
    assert path.stat().st_mode & 0o777 == 0o600
    async with kept(path) as history:
        columns = await history.columns(1.0)
        assert columns["answered"] == [30.0, 30.0]  # those that were not whole are not kept
        assert [each["name"] for each in await history.ended(10)] == ["bbbbbb", "aaaaaa"]
        assert [each["name"] for each in await history.ended(10, label="gate")] == ["aaaaaa"]
        [first, second_] = await history.ended(10)
        assert await history.ended(10, before=first["id"]) == [second_]
        session = await history.ended_session("aaaaaa")
        assert session is not None
        assert (session["session"], session["history"]) == ({"fps": 15}, {"t": [1.0]})
        assert await history.ended_session("nobody") is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b"no database at all, and longer than a header" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 40_000),
        lambda path: path.write_bytes(b"SQLite format 3\x00"),
    ],
)
async def test_a_torn_file_is_moved_aside_with_a_line(
    damage: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.sqlite3"
    async with kept(path) as history:
        for number in range(50):
            history.add_ended(summary(f"name{number}"), {"text": "x" * 500})
    damage(path)
    with caplog.at_level(logging.WARNING):
        async with kept(path) as history:
            assert await history.ended(10) == []
            history.add_ended(summary("after"), {})
            assert [each["name"] for each in await history.ended(10)] == ["after"]
    [line] = [each.__dict__["event"] for each in caplog.records if "event" in each.__dict__]
    assert (line["event"], line["moved_to"]) == ("history_damaged", f"{path}.broken")
    assert path.with_name("history.sqlite3.broken").exists()


async def test_a_file_that_is_damaged_while_it_is_used_is_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with kept(tmp_path / "history.sqlite3") as history:
        history.add_ended(summary("before"), {})
        assert len(await history.ended(10)) == 1
        broken = iter([sqlite3.DatabaseError("database disk image is malformed")])

        def work(of: HistoryDatabase) -> list[dict[str, Any]]:
            for error in broken:
                raise error
            return of.ended(10, None, None)

        assert await history._ask(work) == []
    assert "history_damaged" in caplog.text


def test_age_rows_and_bytes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "ENDED_ROWS", 300)
    path, now = tmp_path / "history.sqlite3", 1_000_000.0
    kept_ = HistoryDatabase(path, hours=24.0, max_bytes=1_000_000)
    for hour in range(48):
        kept_.add_point(now - 3600.0 * hour, {"sessions": 1.0})
        kept_.add_ended(summary(f"h{hour}", ended_s=now - 3600.0 * hour), {})
    kept_.prune(now)
    assert len(kept_.points(0.0)) == 25
    assert len(kept_.ended(500, None, None)) == 25
    for number in range(400):
        kept_.add_ended(summary(f"n{number}", ended_s=now), {})
    kept_.prune(now)
    assert len(kept_.ended(500, None, None)) == 300
    assert kept_.ended(1, None, None)[0]["name"] == "n399"
    noise = "".join(chr(33 + (number * number) % 90) for number in range(3_000))
    for number in range(1_200):
        label = f"{noise}{number}"
        kept_.add_ended(summary(f"m{number}", label=label, ended_s=now), {})
        if number % 100 == 0:
            kept_.prune(now)
    kept_.prune(now)
    assert path.stat().st_size < 4_000_000
    assert kept_._used_bytes() <= 1_000_000
    assert kept_.ended(1, None, None)[0]["name"] == "m1199"  # the oldest went
    kept_.close()


async def test_a_disk_that_hangs_delays_nobody_and_what_is_lost_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "WAITING", 20)
    hangs, hung = threading.Event(), threading.Event()
    history = HistoryStore(tmp_path / "history.sqlite3", hours=24.0, max_bytes=10_000_000)
    history.start()

    def hang(_: HistoryDatabase) -> None:
        hung.set()
        hangs.wait()

    history._put(hang)
    await asyncio.to_thread(hung.wait)
    for _ in range(50):
        history.add_ended(summary(), {})
    assert history.lost == 30
    with pytest.raises(HistoryUnavailableError, match="does not keep up"):
        await history.ended(1)
    hangs.set()
    await asyncio.to_thread(history.stop)


async def test_the_file_is_open_from_the_start(tmp_path: Path) -> None:
    """What prevents it is told then, and the process's descriptors stay as they are."""
    path = tmp_path / "history.sqlite3"
    async with kept(path):
        pass
    assert path.is_file()


async def test_a_folder_that_cannot_be_written_is_told_once_and_costs_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "REOPEN_S", 0.0)  # tried again with each write
    (tmp_path / "file").write_text("")
    async with kept(tmp_path / "file" / "history.sqlite3") as history:
        for _ in range(5):
            history.add_ended(summary(), {})
        with pytest.raises(HistoryUnavailableError):
            await history.ended(1)
        assert history.lost >= 5
        assert caplog.text.count("event=history_not_opened") == 1
        (tmp_path / "file").unlink()  # and once it is there, it is used
        history.add_ended(summary(), {})
        assert len(await history.ended(1)) == 1


async def test_a_full_disk_is_told_once_until_there_is_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "REOPEN_S", 0.0)
    add, is_full = HistoryDatabase.add_ended, True

    def add_ended(of: HistoryDatabase, *what: Any) -> None:
        if is_full:
            raise sqlite3.OperationalError("database or disk is full")
        add(of, *what)

    monkeypatch.setattr(HistoryDatabase, "add_ended", add_ended)
    async with kept(tmp_path / "history.sqlite3") as history:
        assert await history.ended(1) == []  # its first prune is over
        for _ in range(3):
            history.add_ended(summary(), {})
        assert await history.ended(1) == []
        assert (history.lost, caplog.text.count("event=history_failed")) == (3, 1)
        is_full = False
        history.add_ended(summary("after"), {})
        assert [each["name"] for each in await history.ended(9)] == ["after"]


async def test_a_second_server_leaves_the_first_one_s_history_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "history.sqlite3"
    async with kept(path) as first:
        first.add_ended(summary("first"), {})
        assert len(await first.ended(9)) == 1
        async with kept(path) as second:
            with pytest.raises(HistoryUnavailableError, match="locked"):
                await second.ended(9)
        first.add_ended(summary("again"), {})
        assert len(await first.ended(9)) == 2
    assert not path.with_name("history.sqlite3.broken").exists()


async def test_switched_off_it_keeps_nothing(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite3"
    async with kept(path, hours=0.0) as history:
        history.add_ended(summary(), {})
        with pytest.raises(HistoryUnavailableError, match="history_hours"):
            await history.ended(1)
    assert not path.exists()
