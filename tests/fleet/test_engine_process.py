"""The engine that a director starts: its configuration, who may say what there, TLS."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from nats.aio.client import Client

from edge.config import load
from edge.config.fleet import load_credentials
from edge.fleet import engine_process
from edge.fleet.beat import Beat
from edge.fleet.engine import Engine
from edge.fleet.engine_process import EngineProcess, EngineStartError, own_engine
from edge.fleet.subjects import BEAT, BEATS, LOOK, subject
from edge.startup import StartError
from tests.fleet.beats import beat
from tests.fleet.engine import nats
from tests.fleet.fakes import until
from tests.free_port import free_port

HEAD = """
user = "head"
password = "correct horse"
nodes = [
    { user = "gpu-1", password = "battery staple" },
    { user = "gpu-2", password = "another staple" },
]
"""


@pytest.fixture(autouse=True)
def _data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_DATA", str(tmp_path / "data"))


@pytest.fixture
def creds(tmp_path: Path) -> Path:
    file = tmp_path / "head.toml"
    file.write_text(HEAD)
    return file


async def _client(port: int, user: str, password: str) -> tuple[Client, list[str]]:
    """And the errors that it gets."""
    errors: list[str] = []

    async def on_error(error: Exception) -> None:
        errors.append(str(error))

    client = Client()
    await client.connect(
        f"nats://127.0.0.1:{port}",
        user=user,
        password=password,
        error_cb=on_error,
        allow_reconnect=False,
    )
    return client, errors


@nats
async def test_a_node_may_beat_in_its_own_name_alone(creds: Path) -> None:
    port = free_port()
    fleet = {"servers": f"nats://127.0.0.1:{port}", "creds": creds}
    engine = own_engine(load(fleet=fleet), "127.0.0.1", port)
    await engine.start()
    heard: list[Beat] = []

    async def hear(data: bytes) -> None:
        heard.append(Beat.of(data))

    async def look(data: bytes) -> bytes:
        return b"here"

    settings = load(fleet=fleet).fleet
    assert settings is not None
    director = Engine(settings, "director")
    director.subscribe(BEATS, hear)
    director.start()
    node_file = creds.with_name("node.toml")
    node_file.write_text('user = "gpu-1"\npassword = "battery staple"\n')
    node = Engine(settings.model_copy(update={"creds": node_file}), "node")
    node.subscribe(subject(LOOK, "gpu-1"), look)
    node.start()
    try:
        await until(lambda: director.is_connected and node.is_connected)
        async with asyncio.timeout(60):
            while await director.request(subject(LOOK, "gpu-1"), b"", 5.0) != b"here":
                pass
        await node.publish(subject(BEAT, "gpu-2"), beat("gpu-2").to_bytes())
        await node.publish(subject(BEAT, "gpu-1"), beat("gpu-1").to_bytes())
        await until(lambda: bool(heard))
        assert [each.node for each in heard] == ["gpu-1"]
        assert await node.request(subject(LOOK, "gpu-2"), b"", 0.2) is None
        spy, errors = await _client(port, "gpu-2", "another staple")
        await spy.subscribe(BEATS)
        await spy.flush()
        await until(lambda: any("permissions violation" in each.lower() for each in errors))
        await spy.close()
        with pytest.raises(Exception, match="(?i)authorization"):
            await _client(port, "gpu-1", "wrong staple")
    finally:
        await node.stop()
        await director.stop()
        await engine.stop()


@nats
async def test_the_configuration_with_its_passwords_is_this_users_alone(
    creds: Path, tmp_path: Path
) -> None:
    port = free_port()
    engine = EngineProcess(
        engine_process.EngineListener("127.0.0.1", port), load_credentials(creds)
    )
    await engine.start()
    try:
        [file] = (tmp_path / "data").glob("engine-*.conf")
        assert file.stat().st_mode & 0o077 == 0
        assert engine.pid is not None
        assert "staple" not in Path(f"/proc/{engine.pid}/cmdline").read_text()
    finally:
        await engine.stop()
    assert engine.pid is None


@nats
async def test_beyond_loopback_an_engine_with_logins_takes_tls(
    creds: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    fleet = {"servers": f"nats://127.0.0.1:{port}", "creds": creds}
    settings = load(fleet=fleet)
    engine = own_engine(settings, "0.0.0.0", port)
    assert engine.listener.cert is not None
    await engine.start()
    assert settings.fleet is not None
    own = Engine(settings.fleet, "director", engine.listener.cert)
    node_file = creds.with_name("node.toml")
    ca = tmp_path / "data" / "tls" / "ca.crt"
    node_file.write_text(f'user = "gpu-1"\npassword = "battery staple"\nca = "{ca}"\n')
    node = Engine(settings.fleet.model_copy(update={"creds": node_file}), "node")
    stranger_file = creds.with_name("stranger.toml")
    stranger_file.write_text('user = "gpu-2"\npassword = "another staple"\n')
    stranger = Engine(settings.fleet.model_copy(update={"creds": stranger_file}), "stranger")
    for each in (own, node, stranger):
        each.start()
    try:
        await until(lambda: own.is_connected and node.is_connected)
        # Without the authority the engine's certificate is nobody's: no password is sent.
        await until(lambda: "CERTIFICATE_VERIFY_FAILED" in caplog.text)
        assert not stranger.is_connected
        with socket.create_connection(("127.0.0.1", port)) as plain:
            assert b'"tls_required":true' in plain.recv(4096)
    finally:
        for each in (own, node, stranger):
            await each.stop()
        await engine.stop()


def test_an_open_engine_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    own_engine(load(fleet="nats://127.0.0.1"), "0.0.0.0", 4222)
    assert "engine_open" in caplog.text
    caplog.clear()
    own_engine(load(fleet="nats://127.0.0.1"), "127.0.0.1", 4222)
    assert not caplog.text


async def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "PACKAGE", "nats-server-nowhere")
    engine = own_engine(load(fleet="nats://127.0.0.1"), "127.0.0.1", free_port())
    with pytest.raises(EngineStartError, match="nats-server-nowhere is missing"):
        await engine.start()


async def test_an_address_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_process, "FREE_S", 0.2)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        engine = own_engine(load(fleet="nats://127.0.0.1"), "127.0.0.1", port)
        with pytest.raises(EngineStartError, match=f"127.0.0.1:{port}.*--fleet-listen"):
            await engine.start()


def test_credentials_that_cannot_be_used_are_named(creds: Path) -> None:
    creds.write_text('user = "a"\npassword = "correct horse"\nnodes = [{ user = "a" }]\n')
    with pytest.raises(StartError, match="nodes") as caught:
        own_engine(load(fleet={"servers": "nats://x", "creds": creds}), "127.0.0.1", 4222)
    assert str(creds) in str(caught.value)
    assert "horse" not in str(caught.value)
