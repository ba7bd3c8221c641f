"""Sources read by FFmpeg: recordings at their own pace, and what cannot be read."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest

from edge.publish.media.source import SourceError, SourceInfo, SourcePacket, SourceReader
from edge.publish.options import SourceOptions
from tests.publish.recordings import recording


class Reading:
    """One source, read until its end or until so many packets have come."""

    def __init__(self, url: str, most: int = 10_000, **options: object) -> None:
        self.packets: list[SourcePacket] = []
        self.error: SourceError | None = None
        self._most = most
        self._over = asyncio.Event()
        given = SourceOptions.model_validate({"url": url, **options})
        self.reader = SourceReader(given, self._on_packet, self._on_end)

    async def open(self) -> SourceInfo:
        return await self.reader.open()

    async def read(self) -> list[SourcePacket]:
        self.reader.start()
        async with asyncio.timeout(60.0):
            await self._over.wait()
        self.reader.stop()
        return self.packets

    def _on_packet(self, packet: SourcePacket) -> None:
        self.packets.append(packet)
        if len(self.packets) >= self._most:
            self._over.set()

    def _on_end(self, error: SourceError | None) -> None:
        self.error = error
        self._over.set()


async def test_a_recording_is_read_at_its_own_pace_to_its_end(tmp_path: Path) -> None:
    reading = Reading(str(recording(tmp_path / "a.mp4", frames=20, fps=20)))
    info = await reading.open()
    assert (info.codec, info.width, info.height, info.fps) == ("h264", 320, 180, 20.0)
    assert (info.live, info.parts, info.reordered) == (False, False, False)
    packets = await reading.read()
    assert reading.error is None
    assert len(packets) == 20
    captured = [packet.captured_ms for packet in packets]
    for before, after in itertools.pairwise(captured):
        assert before is not None
        assert after is not None
        # Due times are exact unless the machine was half a second behind.
        assert after - before >= 49.9
    for packet in packets:
        assert packet.captured_ms is not None
        assert packet.arrival_ms >= packet.captured_ms - 0.5


async def test_a_loop_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.mp4", frames=5, fps=20)
    reading = Reading(str(path), most=13, loop=True)
    await reading.open()
    packets = (await reading.read())[:13]
    assert [packet.pts_ms for packet in packets] == [50.0 * (n % 5) for n in range(13)]
    captured = [packet.captured_ms or 0.0 for packet in packets]
    assert captured == sorted(captured)
    assert captured[5] - captured[4] >= 49.0


async def test_reordered_frames_are_seen_and_captured_when_they_are_shown(tmp_path: Path) -> None:
    path = recording(tmp_path / "b.mp4", frames=20, fps=20, b_frames=2)
    reading = Reading(str(path))
    info = await reading.open()
    assert info.reordered
    packets = await reading.read()
    by_time = sorted(packets, key=lambda packet: packet.pts_ms)
    captured = [packet.captured_ms or 0.0 for packet in by_time]
    assert captured == sorted(captured)


async def test_a_missing_file_and_one_that_is_no_video_are_final(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no video\n" * 100)
    for path, reason in ((tmp_path / "none.mp4", "No such file"), (text, "")):
        with pytest.raises(SourceError, match=f"{path}: .*{reason}") as error:
            await Reading(str(path)).open()
        assert error.value.final


async def test_a_camera_that_is_away_is_not_final_and_its_password_not_shown() -> None:
    with pytest.raises(SourceError) as error:
        await Reading("rtsp://joe:secret@127.0.0.1:1/camera").open()
    assert not error.value.final
    assert str(error.value).startswith("rtsp://127.0.0.1:1/camera: ")
    assert "secret" not in str(error.value)


async def test_a_device_that_is_away_is_not_final() -> None:
    with pytest.raises(SourceError, match="/dev/video99: ") as error:
        await Reading("/dev/video99").open()
    assert not error.value.final


async def test_a_reader_that_is_stopped_calls_nothing_more(tmp_path: Path) -> None:
    path = recording(tmp_path / "a.mp4", frames=5, fps=20)
    reading = Reading(str(path), loop=True)
    await reading.open()
    reading.reader.start()
    reading.reader.stop()
    thread = reading.reader._thread
    await asyncio.to_thread(thread.join, 30.0)
    assert not thread.is_alive()
    assert reading.error is None
