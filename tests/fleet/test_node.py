"""A server that is a node: it beats by a real engine, answers, and does not depend on it."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from edge.api.access.directors import KEY_HEADER
from edge.config import load
from edge.fleet.beat import Beat
from edge.fleet.node import settings_hash
from edge.fleet.report import Report
from edge.fleet.subjects import ACT, DRAIN, LOOK, LOOK_PATH, REPORT_PATH
from edge.server import Server
from edge.startup import StartError
from tests.fleet.engine import NatsServer, nats
from tests.fleet.listener import listening_to
from tests.publisher import publishing
from tests.serving import base, local, noise, serving

pytestmark = nats


async def _status(url: str, **options: object) -> int:
    async with aiohttp.ClientSession() as http, http.get(url, **options) as response:  # type: ignore[arg-type]
        await response.read()
        return response.status


async def test_a_node_beats_with_what_directors_need() -> None:
    async with (
        NatsServer() as engine,
        listening_to(engine.url) as listener,
        serving(fleet=engine.url, max_sessions=7) as server,
    ):
        first = await listener.next(lambda beat: beat.ready and beat.room == 7)
        second = await listener.next()
        assert second.seq > first.seq
        assert second.incarnation == first.incarnation
        assert first.url == base(server).replace("localhost", "127.0.0.1")
        assert (first.sessions, first.load, first.draining) == (0, 0.0, False)
        assert first.settings == settings_hash(server.settings)
        async with publishing(base(server), noise(160, 120)):
            busy = await listener.next(lambda beat: beat.sessions == 1)
            assert busy.load > 0.0


async def test_a_director_that_hears_nothing_may_ask_directly_and_nobody_else() -> None:
    async with (
        NatsServer() as engine,
        listening_to(engine.url) as listener,
        serving(fleet=engine.url) as server,
    ):
        beat = await listener.next()
        async with aiohttp.ClientSession() as http:
            headers = {KEY_HEADER: beat.key}
            async with http.get(base(server) + LOOK_PATH, headers=headers) as response:
                look = await response.json()
        assert Beat(**look["beat"]).incarnation == beat.incarnation
        assert look["page"]["slo_ms"] == 100.0
        for key in ("", "wrong", beat.key[:-1]):
            assert await _status(base(server) + LOOK_PATH, headers={KEY_HEADER: key}) == 404
        assert await _status(base(server) + LOOK_PATH) == 404


async def test_a_director_is_told_of_the_sessions_and_nobody_else() -> None:
    async with (
        NatsServer() as engine,
        listening_to(engine.url) as listener,
        serving(fleet=engine.url, slo_ms=5000) as server,
        publishing(base(server), noise(160, 120), query={"label": "gate"}) as publisher,
        aiohttp.ClientSession() as http,
    ):
        beat = await listener.next()
        await publisher.wait_for_answers()
        found = None
        while found is None or not found.in_time:  # the dashboard's next second
            async with http.get(
                base(server) + REPORT_PATH, headers={KEY_HEADER: beat.key}
            ) as response:
                found = Report.read(await response.read())
        assert (found.node, found.incarnation) == (beat.node, beat.incarnation)
        [one] = found.sessions
        assert (one.label, one.size, one.slo_ms, found.total) == ("gate", (160, 120), 5000.0, 1)
        assert "yolov4-tiny-160" in found.variants
        assert publisher.location.rsplit("/", 1)[1] not in found.model_dump_json()
        for key in ("", "wrong", beat.key[:-1]):
            assert await _status(base(server) + REPORT_PATH, headers={KEY_HEADER: key}) == 404
        assert await _status(base(server) + REPORT_PATH) == 404


async def test_a_node_answers_by_the_engine() -> None:
    async with (
        NatsServer() as engine,
        listening_to(engine.url) as listener,
        serving(fleet={"servers": engine.url, "name": "gpu-1"}) as server,
    ):
        await listener.next(lambda beat: beat.node == "gpu-1")
        look = await listener.ask(LOOK, "gpu-1")
        assert look["beat"]["node"] == "gpu-1"
        async with publishing(base(server), noise(160, 120)) as publisher:
            await publisher.wait_for_answers()
            [session] = local(server)
            slo = {"session": session.name, "action": {"kind": "slo", "slo_ms": 250}}
            assert await listener.ask(ACT, "gpu-1", slo) == {"done": {"kind": "slo", "slo_ms": 250}}
            await publisher.wait_for(lambda each: each.get("slo_ms") == 250)
            pin = {"kind": "variant", "variant": "yolov4-608"}
            for message, code in (
                ({"session": session.name, "action": {"kind": "sing"}}, "bad_action"),
                ({"session": session.name, "action": pin}, "bad_action"),
                ({"session": "nobody", "action": {"kind": "end"}}, "no_session"),
                ([], "bad_action"),
            ):
                assert (await listener.ask(ACT, "gpu-1", message))["error"]["code"] == code
        assert await listener.ask(DRAIN, "gpu-1", {"on": True}) == {"draining": True}
        await listener.next(lambda beat: beat.draining)
        assert server.sessions.draining
        assert (await listener.ask(DRAIN, "gpu-1", {"on": 1}))["error"]["code"] == "bad_drain"
        assert await listener.ask(DRAIN, "gpu-1", {"on": False}) == {"draining": False}
        await listener.next(lambda beat: not beat.draining)


async def test_the_last_beat_says_that_the_node_leaves() -> None:
    async with NatsServer() as engine, listening_to(engine.url) as listener:
        async with serving(fleet=engine.url):
            await listener.next(lambda beat: beat.ready)
            last = asyncio.create_task(listener.next(lambda beat: not beat.ready))
        assert (await last).draining


async def test_a_server_whose_engine_is_not_there_serves_and_beats_once_it_is() -> None:
    engine = NatsServer()
    async with serving(fleet=engine.url) as server:
        assert await _status(server.url + "healthz") == 200
        async with engine, listening_to(engine.url) as listener:
            await listener.next(lambda beat: beat.ready)


@pytest.mark.parametrize("fault", ["killed", "hung"])
async def test_a_session_does_not_notice_that_the_engine_is_away(fault: str) -> None:
    async with NatsServer() as engine, serving(fleet=engine.url) as server:
        async with listening_to(engine.url) as listener:
            await listener.next()
        async with publishing(base(server), noise(160, 120)) as publisher:
            await publisher.wait_for_answers()
            if fault == "killed":
                await engine.end()
            else:
                engine.send(signal.SIGSTOP)
            await publisher.wait_for_answers(30)
            assert await _status(server.url + "healthz") == 200
            if fault == "killed":
                await engine.start()
            else:
                engine.send(signal.SIGCONT)
            async with listening_to(engine.url) as listener:
                beat = await listener.next()
                assert beat.sessions == 1
            await publisher.wait_for_answers()


async def test_a_hung_engine_is_left_for_another_of_its_cluster() -> None:
    async with (
        NatsServer() as one,
        NatsServer() as other,
        serving(fleet=f"{one.url}, {other.url}"),
    ):
        async with listening_to(one.url) as a, listening_to(other.url) as b:
            # Which one it has is chance: that one hangs.
            tasks = {asyncio.create_task(each.next()): each for each in (a, b)}
            done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            hung, left = (one, other) if tasks[done.pop()] is a else (other, one)
        hung.send(signal.SIGSTOP)
        async with listening_to(left.url) as listener:
            await listener.next()


async def test_the_login_of_the_file_is_used(tmp_path: Path) -> None:
    creds = tmp_path / "fleet.toml"
    creds.write_text('user = "gpu-1"\npassword = "correct horse"\n')
    login = {"user": "gpu-1", "password": "correct horse"}
    async with NatsServer("--user", login["user"], "--pass", login["password"]) as engine:
        async with (
            listening_to(engine.url, **login) as listener,
            serving(fleet={"servers": engine.url, "creds": creds}),
        ):
            await listener.next()
        creds.write_text('user = "gpu-1"\npassword = "wrong horse"\n')
        async with serving(fleet={"servers": engine.url, "creds": creds}) as server:
            assert await _status(server.url + "healthz") == 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "fleet.toml"),
        ('user = "a"\npassword = "short"', "password: "),
        ('user = "a.b"\npassword = "correct horse"', "user: "),
        ('user = "a"\npasword = "correct horse"', "did you mean `password`"),
        ('user = "a"\npassword = "correct horse"\nca = "nowhere.crt"', "nowhere.crt"),
    ],
)
def test_a_file_of_credentials_that_cannot_be_used_is_named(
    tmp_path: Path, text: str | None, message: str
) -> None:
    creds = tmp_path / "fleet.toml"
    if text is not None:
        creds.write_text(text)
    fleet = {"servers": "nats://127.0.0.1", "creds": creds}
    settings = load(http=True, port=0, host="127.0.0.1", fleet=fleet)
    with pytest.raises(StartError, match=message) as caught:
        Server(settings)
    assert str(creds) in str(caught.value)
    assert "horse" not in str(caught.value)


def test_a_server_that_is_no_node_loads_nothing_of_it() -> None:
    program = """
import sys
from edge.config import load
from edge.server import Server
Server(load(http=True, port=0, host="127.0.0.1"))
loaded = [name for name in sys.modules if name.split(".")[0] == "nats" or "edge.fleet" in name]
print(loaded)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.replace("'", '"')) == []


def test_settings_of_the_machine_do_not_change_the_hash_and_secrets_are_not_in_it() -> None:
    plain = settings_hash(load(token="first secret"))
    assert settings_hash(load(token="other secret", port=9000, device=["cpu", "cpu"])) == plain
    assert settings_hash(load()) != plain
    assert settings_hash(load(token="first secret", slo_ms=200)) != plain
