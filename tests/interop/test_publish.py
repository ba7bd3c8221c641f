"""`edge publish`, a process, between a real RTSP camera (GStreamer's server) and a real server."""

from __future__ import annotations

import asyncio
import itertools
import sys
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from edge.server import Server
from tests.free_port import free_port
from tests.interop.publishing import (
    WAIT_S,
    Publishing,
    camera,
    camera_missing,
    edge_publish,
    edge_serve,
    mjpeg_camera,
)
from tests.publish.recordings import recording
from tests.serving import base, local, serving, simulated

pytestmark = [pytest.mark.interop]

_MISSING = camera_missing()
needs_camera = pytest.mark.skipif(bool(_MISSING), reason=f"no RTSP camera: {_MISSING}")

SLO = ("--slo-ms", "1000")


def counts_add_up(publishing: Publishing) -> bool:
    """Whether every captured frame of the last summary has exactly one outcome."""
    [summary] = publishing.of_type("summary")
    counted = summary["in_time"] + summary["late"] + sum(summary["dropped"].values())
    return bool(summary["captured"] == counted)


def to(server: Server) -> tuple[str, str]:
    return "--to", base(server)


@needs_camera
@pytest.mark.parametrize(
    ("codec", "transport", "how"),
    [
        ("h264", "tcp", "h264, passed through"),
        ("h264", "udp", "h264, passed through"),
        ("h264-b", "tcp", "reordered"),
        ("h265", "tcp", "hevc is not a codec that the server takes"),
        ("mjpeg", "tcp", "mjpeg is not a codec that the server takes"),
    ],
)
async def test_an_rtsp_cameras_frames_are_answered(codec: str, transport: str, how: str) -> None:
    async with (
        camera("--codec", codec) as rtsp,
        serving() as server,
        edge_publish(
            rtsp.url, *to(server), *SLO, "--label", "gate", "--rtsp-transport", transport
        ) as publishing,
    ):
        await publishing.wait_for_answers(20)
        [session] = local(server)
        assert session.label == "gate"
        assert any(how in line for line in publishing.errors)
        answered = publishing.of_type("detections")
        if "passed" in how:
            assert {tuple(line["size"]) for line in answered} == {(640, 360)}
        assert await publishing.interrupt() == 0
        assert counts_add_up(publishing)
        assert not local(server)  # by its DELETE: nothing else ends a session at once


@needs_camera
async def test_encoded_anew_it_follows_the_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        camera() as rtsp,
        serving(fps=5.0) as server,
        edge_publish(rtsp.url, *to(server), *SLO, "--encode") as publishing,
    ):
        await publishing.wait_for_answers(5)
        [session] = local(server)
        await publishing.wait_for(
            lambda: (
                session.hint is not None
                and session.size is not None
                and max(session.size) == session.hint.max_edge
            )
        )
        before = len(publishing.lines)
        await publishing.wait_for_answers(10)
        rtps = [line["rtp"] for line in publishing.lines[before:] if "rtp" in line]
        gaps = [(after - first) % 2**32 for first, after in itertools.pairwise(rtps)]
        assert sorted(gaps)[len(gaps) // 2] >= 2 * 6000  # of the camera's 15 a second, a third
        assert await publishing.interrupt() == 0
        assert counts_add_up(publishing)


@needs_camera
@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_camera_that_is_killed_comes_back(transport: str) -> None:
    async with (
        camera() as rtsp,
        serving() as server,
        edge_publish(rtsp.url, *to(server), *SLO, "--rtsp-transport", transport) as publishing,
    ):
        await publishing.wait_for_answers()
        [first] = local(server)
        await rtsp.kill()
        await publishing.wait_for(lambda: publishing.of_type("waiting"))
        assert not local(server)  # no place is held for a camera that is away
        await rtsp.start()
        await publishing.wait_for_answers()
        [second] = local(server)
        assert second.id != first.id
        assert await publishing.interrupt() == 0
        assert counts_add_up(publishing)


@needs_camera
async def test_a_server_that_stops_is_found_again_and_the_camera_stays_open() -> None:
    async with camera() as rtsp, serving() as server:
        port = urlsplit(server.url).port
        async with edge_publish(rtsp.url, *to(server), *SLO) as publishing:
            await publishing.wait_for_answers()
            await server.stop()
            await publishing.wait_for(lambda: publishing.of_type("waiting"))
            async with serving(port=port):
                await publishing.wait_for_answers()
                assert len(publishing.of_type("open")) == 1
                assert await publishing.interrupt() == 0
                assert counts_add_up(publishing)


async def test_a_server_that_is_killed_is_found_again(tmp_path: Path) -> None:
    path = recording(tmp_path / "street.mp4", frames=30, fps=15)
    port = free_port()
    async with edge_publish(
        str(path), "--loop", *SLO, "--to", f"http://127.0.0.1:{port}"
    ) as publishing:
        await publishing.wait_for(lambda: publishing.of_type("waiting"))  # it is not there yet
        for _ in range(2):
            answered = publishing.in_time
            async with edge_serve(simulated(), port) as server:
                await publishing.wait_for(lambda: publishing.in_time > answered + 5)  # noqa: B023
                server.kill()  # it says good-bye to nobody
                await server.wait()
        assert await publishing.interrupt() == 0
        assert counts_add_up(publishing)


@pytest.mark.parametrize("fps", [8, 40])
async def test_a_camera_over_http_is_timed_by_its_frames_arrival(fps: int) -> None:
    """Motion JPEG tells no times; FFmpeg would have it be 25 frames a second."""
    async with (
        mjpeg_camera(fps) as url,
        serving() as server,
        edge_publish(url, *to(server), *SLO) as publishing,
    ):
        await publishing.wait_for_answers(40)
        assert any("mjpeg is not a codec" in line for line in publishing.errors)
        for line in publishing.of_type("detections"):
            assert line["outcome"] == "in_time"  # at a wrong rate its clock would run away
        assert await publishing.interrupt() == 0


@needs_camera
async def test_a_wrong_password_of_the_camera_is_final_and_shown_nowhere() -> None:
    arguments = ("--user", "joe", "--password", "right")
    async with camera(*arguments, user="joe:right") as rtsp, serving() as server:
        async with edge_publish(rtsp.url, *to(server), *SLO) as publishing:
            await publishing.wait_for_answers(1)
            assert await publishing.interrupt() == 0
        assert not any("right" in line for line in publishing.errors)
        assert "right" not in str(publishing.lines)
        wrong = rtsp.url.replace("right", "wrong-word")
        async with edge_publish(wrong, *to(server)) as publishing:
            assert await publishing.ended() == 1
        assert "refuses this user name and password" in publishing.errors[-1]
        assert not any("wrong-word" in line for line in publishing.errors)


@pytest.mark.parametrize("b_frames", [0, 2])
async def test_a_file_is_published_to_its_end(b_frames: int, tmp_path: Path) -> None:
    path = recording(tmp_path / "street.mp4", frames=45, fps=15, b_frames=b_frames)
    async with serving() as server, edge_publish(str(path), *to(server), *SLO) as publishing:
        assert await publishing.ended() == 0
        [summary] = publishing.of_type("summary")
        assert 36 <= summary["captured"] <= 45  # hints of a busy server ask for fewer
        assert counts_add_up(publishing)
        assert summary["in_time"] + summary["late"] > 0
        assert not local(server)


async def test_several_sources_are_published_by_one_file(tmp_path: Path) -> None:
    vp8 = recording(tmp_path / "a.webm", frames=30, fps=15, codec="libvpx")
    reordered = recording(tmp_path / "b.mp4", frames=30, fps=15, b_frames=2)
    async with serving(token="hush") as server:
        config = tmp_path / "cameras.toml"
        config.write_text(
            f"""
            to = "{base(server)}"
            token_file = "{tmp_path / "token"}"
            [[sources]]
            url = "{vp8}"
            label = "a"
            loop = true
            slo_ms = 1000
            [[sources]]
            url = "{reordered}"
            label = "b"
            loop = true
            slo_ms = 1000
            """
        )
        (tmp_path / "token").write_text("hush\n")
        async with edge_publish("--config", str(config)) as publishing:

            def answered(label: str) -> int:
                return sum(line["source"] == label for line in publishing.of_type("detections"))

            await publishing.wait_for(lambda: min(answered("a"), answered("b")) >= 10)
            assert {session.label for session in local(server)} == {"a", "b"}
            assert any("a: open: 320x180, 15 fps, vp8, passed" in e for e in publishing.errors)
            assert any("b: open" in e and "reordered" in e for e in publishing.errors)
            assert await publishing.interrupt() == 0


async def test_a_session_that_the_operator_ends_is_not_begun_again(tmp_path: Path) -> None:
    path = recording(tmp_path / "street.mp4", frames=45, fps=15)
    async with serving() as server, edge_publish(str(path), "--loop", *to(server), *SLO) as it:
        await it.wait_for_answers(1)
        [session] = local(server)
        url = f"{base(server)}/api/sessions/{session.name}/actions"
        async with aiohttp.ClientSession() as http, http.post(url, json={"kind": "end"}) as done:
            assert done.ok
        assert await it.ended() == 1
        assert "ended: " in it.errors[-1]


async def test_a_reader_that_goes_ends_it(tmp_path: Path) -> None:
    path = recording(tmp_path / "street.mp4", frames=45, fps=15)
    async with serving() as server:
        command = f'"$0" -m edge publish "$1" --loop --to {base(server)} --json | head -n 1'
        process = await asyncio.create_subprocess_exec(
            *("bash", "-o", "pipefail", "-c", command, sys.executable, str(path)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(WAIT_S):
            out, errors = await process.communicate()
        assert out.count(b"\n") == 1
        assert process.returncode == 0, errors.decode()
        assert b"Traceback" not in errors
        assert b"BrokenPipe" not in errors
        assert not local(server)


async def test_a_refused_token_is_final_and_never_shown(tmp_path: Path) -> None:
    path = recording(tmp_path / "street.mp4", frames=15, fps=15)
    async with serving(token="hush") as server:
        async with edge_publish(str(path), *to(server), "--token", "not-it") as publishing:
            assert await publishing.ended() == 1
        assert "401: this server does not know that token" in publishing.errors[-1]
        assert not any("not-it" in line for line in publishing.errors)


async def test_a_full_server_is_asked_again(tmp_path: Path) -> None:
    path = recording(tmp_path / "street.mp4", frames=30, fps=15)
    arguments = (str(path), "--loop", *SLO)
    async with (
        serving(max_sessions=1) as server,
        edge_publish(*arguments, *to(server), "--label", "first") as first,
    ):
        await first.wait_for_answers(1)
        async with edge_publish(*arguments, *to(server), "--label", "second") as second:
            await second.wait_for(lambda: second.of_type("waiting"))
            [waiting] = second.of_type("waiting")[:1]
            assert "503" in waiting["reason"]
            assert waiting["seconds"] >= 10.0  # the server's Retry-After
            assert await first.interrupt() == 0
            await second.wait_for_answers(1)
            assert await second.interrupt() == 0


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "SOURCE or --config FILE is needed"),
        (("a.mp4",), "missing key --to"),
        (("a.mp4", "--to", "edge"), "to: http://HOST:PORT"),
        (("a.mp4", "--config", "b.toml"), "SOURCE: not with --config"),
        (("--config", "none.toml"), "none.toml: No such file"),
        (("a.mp4", "--to", "https://h", "--ca", "none.pem"), "none.pem: "),
    ],
)
async def test_bad_usage_is_2_and_says_why(arguments: tuple[str, ...], line: str) -> None:
    async with edge_publish(*arguments) as publishing:
        assert await publishing.ended() == 2
    assert any(line in error for error in publishing.errors)


async def test_a_certificate_is_checked_against_the_authority_that_is_named(
    tmp_path: Path,
) -> None:
    path = recording(tmp_path / "street.mp4", frames=15, fps=15)
    authority = tmp_path / "ca.pem"
    async with serving(http=False) as server:
        async with edge_publish(str(path), *to(server)) as publishing:
            assert await publishing.ended() == 1  # final: it does not heal by itself
        assert "certificate" in publishing.errors[-1].lower()
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{base(server)}/ca.crt", ssl=False) as response,
        ):
            authority.write_bytes(await response.read())
        for trust in (["--ca", str(authority)], ["--insecure"]):
            async with edge_publish(str(path), *to(server), *SLO, *trust) as publishing:
                assert await publishing.ended() == 0, publishing.errors
