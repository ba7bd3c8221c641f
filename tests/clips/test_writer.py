"""A thread that writes clips: what it does when the disk is full, gone or slow."""

from __future__ import annotations

import errno
import json
import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from edge.clips import folder as folders
from edge.clips.clip_files import ClipFiles
from edge.clips.counts import ClipCounts
from edge.clips.frame import ClipFrame
from edge.clips.matroska import MatroskaFile
from edge.clips.names import clip_name
from edge.clips.recorder import Clip
from edge.clips.settings import ClipSettings
from edge.clips.writer import ClipWriter
from tests.rtc.streams import encode


def frames(count: int = 6, size: tuple[int, int] = (160, 120), first: int = 0) -> list[ClipFrame]:
    """Real ones, 100 ms apart."""
    return [
        ClipFrame(
            rtp=9000 * (first + index),
            data=each.data,
            is_entry=each.keyframe,
            received_ms=100.0 * (first + index),
            codec="vp8",
            width=size[0] * each.keyframe,
            height=size[1] * each.keyframe,
        )
        for index, each in enumerate(encode("vp8", count, *size))
    ]


def clip(number: int) -> Clip:
    name = clip_name(1_764_528_591.5 + number, "gate", "5f3a9c", "rule_on")
    return Clip(name, "5f3a9c", "gate", 0.0)


def record(writer: ClipWriter, number: int, what: list[ClipFrame] | None = None) -> Clip:
    one = clip(number)
    assert writer.begin(one)
    for frame in frames() if what is None else what:
        writer.write(one, frame)
    writer.finish(one)
    return one


class Counting(ClipWriter):
    """Its thread can be waited for."""

    def __init__(self, settings: ClipSettings) -> None:
        super().__init__(settings)
        self.ended = threading.Semaphore(0)
        self.total = ClipCounts()

    def _end(self, *arguments: Any) -> None:
        super()._end(*arguments)
        self.ended.release()

    def counts(self) -> ClipCounts:
        self.total.merge(self.take_counts())
        return self.total


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Counting]:
    one = Counting(ClipSettings(folder=tmp_path / "clips", queue_bytes=100_000, at_once=2))
    yield one
    one.stop(10.0)


def wait(writer: Counting) -> None:
    assert writer.ended.acquire(timeout=60)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [str(getattr(each, "event", {}).get("event")) for each in caplog.records]


def pictures(file: Path) -> list[tuple[int, int]]:
    with av.open(str(file)) as container:
        return [(each.width, each.height) for each in container.decode(video=0)]


def test_another_size_begins_another_file(writer: Counting, tmp_path: Path) -> None:
    one = record(writer, 1, frames(4) + frames(5, (320, 240), first=4))
    wait(writer)
    names = sorted(each.name for each in (tmp_path / "clips").iterdir())
    assert names == [f"{one.name}{end}" for end in (".2.json", ".2.mkv", ".json", ".mkv")]
    assert pictures(tmp_path / "clips" / f"{one.name}.mkv") == [(160, 120)] * 4
    assert pictures(tmp_path / "clips" / f"{one.name}.2.mkv") == [(320, 240)] * 5
    second = json.loads((tmp_path / "clips" / f"{one.name}.2.json").read_text())
    assert (second["clip"], second["part"], second["frames"]) == (one.name, 2, 5)
    assert (second["begin"], second["end"]) == (0.4, 0.8)


def test_a_folder_that_goes_costs_the_clips_of_that_time_and_no_more(
    writer: Counting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    folder = tmp_path / "clips"
    record(writer, 1)
    wait(writer)
    shutil.rmtree(folder)
    folder.write_text("in its place")  # root may write where others may not
    for number in (2, 3):
        record(writer, number)
        wait(writer)
    folder.unlink()
    last = record(writer, 4)
    wait(writer)
    assert dict(writer.counts().ends) == {"written": 2, "failed": 2}
    assert writer.counts().frames_lost["disk"] == 12
    assert events(caplog) == ["clips_failing", "clips_work"]
    assert len(pictures(folder / f"{last.name}.mkv")) == 6
    assert json.loads((folder / f"{last.name}.json").read_text())["lost_before"] == 2


def test_a_folder_removed_in_mid_clip(writer: Counting, tmp_path: Path) -> None:
    one, all_frames = clip(1), frames(6)
    assert writer.begin(one)
    started = threading.Event()
    real = ClipFiles.add

    def add(files: ClipFiles, frame: ClipFrame) -> None:
        real(files, frame)
        started.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClipFiles, "add", add)
        writer.write(one, all_frames[0])
        assert started.wait(60)
        shutil.rmtree(tmp_path / "clips")
        for frame in all_frames[1:]:
            writer.write(one, frame)
        writer.finish(one)
        wait(writer)
    assert dict(writer.counts().ends) == {"failed": 1}
    record(writer, 2)
    wait(writer)
    assert writer.counts().ends["written"] == 1


@pytest.mark.parametrize("at", ["add", "close"])
def test_a_full_disk_takes_the_clip_back(
    writer: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(MatroskaFile, at, full)
        record(writer, 1)
        wait(writer)
    assert list((tmp_path / "clips").iterdir()) == []
    record(writer, 2)
    wait(writer)
    assert dict(writer.counts().ends) == {"failed": 1, "written": 1}


def test_a_slow_disk_loses_frames_up_to_a_key_frame_and_holds_nobody_up(
    writer: Counting,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    works = threading.Event()
    real = ClipFiles.add

    def add(files: ClipFiles, frame: ClipFrame) -> None:
        works.wait(60)
        real(files, frame)

    monkeypatch.setattr(ClipFiles, "add", add)
    one = clip(1)
    assert writer.begin(one)
    first, again = frames(4), frames(4, first=900)
    large = ClipFrame(
        rtp=9000 * 5, data=bytes(100_000), is_entry=False, received_ms=500.0, codec="vp8"
    )
    lost = frames(6, first=6)[1:]
    for frame in (*first, large, *lost, *again):
        writer.write(one, frame)
    assert writer.counts().frames_lost["queue"] == 1 + len(lost)
    writer.finish(one)
    works.set()
    wait(writer)
    assert writer.counts().ends["written"] == 1
    assert events(caplog).count("clips_queue_full") == 1
    files = sorted((tmp_path / "clips").glob("*.mkv"))
    assert sum(len(pictures(each)) for each in files) == 8


def test_more_clips_than_may_be_at_once_are_refused(writer: Counting) -> None:
    assert [writer.begin(clip(number)) for number in range(3)] == [True, True, False]
    assert writer.counts().ends["refused"] == 1
    for number in range(2):
        writer.finish(clip(number))
        wait(writer)
    assert writer.counts().ends["empty"] == 2
    assert writer.begin(clip(4))


def test_what_is_not_written_at_the_end_is_counted(tmp_path: Path) -> None:
    writer = ClipWriter(ClipSettings(folder=tmp_path))
    assert writer.begin(clip(1))
    writer.stop(0.5)
    assert writer.take_counts().ends["left"] == 1
    assert not writer.begin(clip(2))


def test_the_oldest_clips_go_and_files_of_others_stay(tmp_path: Path) -> None:
    for number in range(4):
        for ending in (".mkv", ".json"):
            (tmp_path / f"{clip(number).name}{ending}").write_bytes(bytes(400))
    (tmp_path / "holiday.mkv").write_bytes(bytes(5000))
    assert folders.make_room(tmp_path, 1700) == 2
    left = {each.name.partition(".mkv")[0].partition(".json")[0] for each in tmp_path.iterdir()}
    assert left == {"holiday", clip(2).name, clip(3).name}


def test_all_clips_stay_within_their_bytes(tmp_path: Path) -> None:
    settings = ClipSettings(folder=tmp_path, queue_bytes=10_000_000, max_bytes=1_000_000)
    writer = Counting(settings)
    large = ClipFrame(0, bytes(300_000), True, 0.0, "vp8", 160, 120)
    names = []
    for number in range(6):
        names.append(record(writer, number, [large]).name)
        wait(writer)
        assert sum(each.stat().st_size for each in tmp_path.iterdir()) <= 1_000_000
    writer.stop(10.0)
    assert writer.counts().deleted == 3
    assert sorted(each.stem for each in tmp_path.glob("*.mkv")) == names[3:]
