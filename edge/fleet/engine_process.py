"""A nats-server of the director's own: started, started again, and ended with the director.

It gets its configuration in a file that only this user can read, since that has passwords.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import shutil
import socket
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.api.access import local_ca
from edge.base.backoff import RetryWait
from edge.base.directories import data_dir
from edge.base.durable_file import write_durably
from edge.base.event_log import get_logger
from edge.config import Settings
from edge.config.fleet import CredentialsError, FleetCredentials, load_credentials
from edge.fleet.subjects import ACT, BEAT, BEATS, DRAIN, LOOK, subject
from edge.ipc.parent_watch import terminate_with_parent
from edge.startup import StartError

log = get_logger("edge.fleet.engine_process")

PACKAGE = "nats-server"
START_S = 10.0
FREE_S = 3.0
STOP_S = 1.0
RESTART_FIRST_S, RESTART_MOST_S = 0.25, 5.0
STEADY_S = 30.0  # a process that ran so long begins with the shortest wait again
MAX_PAYLOAD = 256 * 1024


class EngineStartError(Exception):
    """The engine cannot be started; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class EngineListener:
    """Where the engine listens, and with which certificate, if any (PEM)."""

    host: str
    port: int
    cert: Path | None = None
    key: Path | None = None

    @property
    def is_loopback(self) -> bool:
        return is_loopback(self.host)

    @property
    def url(self) -> str:
        """For clients on this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"nats://{f'[{host}]' if ':' in host else host}:{self.port}"


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def configuration(listener: EngineListener, credentials: FleetCredentials | None) -> dict[str, Any]:
    """The engine's configuration (its format takes JSON). Each user may say and hear what its part
    needs: a node the subjects of its own name."""
    host = f"[{listener.host}]" if ":" in listener.host else listener.host
    found: dict[str, Any] = {
        "listen": f"{host}:{listener.port}",
        "max_payload": MAX_PAYLOAD,
    }
    if listener.cert is not None and listener.key is not None:
        found["tls"] = {"cert_file": str(listener.cert), "key_file": str(listener.key)}
    if credentials is not None:
        directors = {
            "publish": [f"{kind}.*" for kind in (LOOK, ACT, DRAIN)],
            "subscribe": [BEATS, "_INBOX.>"],
        }
        users = [(credentials.user, credentials.password, directors)]
        for node in credentials.nodes:
            permissions: dict[str, Any] = {
                "publish": [subject(BEAT, node.user)],
                "subscribe": [subject(kind, node.user) for kind in (LOOK, ACT, DRAIN)],
                "allow_responses": True,
            }
            users.append((node.user, node.password, permissions))
        found["authorization"] = {
            "users": [
                {"user": user, "password": password.get_secret_value(), "permissions": permissions}
                for user, password, permissions in users
            ]
        }
    return found


def own_engine(settings: Settings, host: str, port: int) -> EngineProcess:
    """An engine for the director with these settings; StartError if they cannot be used.

    With credentials it takes TLS where it listens beyond loopback.
    """
    fleet = settings.fleet
    try:
        credentials = (
            None if fleet is None or fleet.creds is None else load_credentials(fleet.creds)
        )
        if is_loopback(host):
            return EngineProcess(EngineListener(host, port), credentials)
        if credentials is None:
            log.warning("engine_open", listen=f"{host}:{port}", advice="--fleet-creds FILE")
            return EngineProcess(EngineListener(host, port), None)
        cert, key = settings.cert, settings.key
        if cert is None or key is None:
            issued = local_ca.ensure(local_ca.default_directory(), local_ca.lan_addresses())
            cert, key = issued.cert, issued.key
        return EngineProcess(EngineListener(host, port, cert, key), credentials)
    except CredentialsError as error:
        raise StartError(f"fleet.creds: {error}") from error
    except (OSError, ValueError) as error:
        raise StartError(f"the engine's certificate: {error}") from error


class EngineProcess:
    """From `start` to `stop`. It ends with this process, also when that is killed."""

    def __init__(self, listener: EngineListener, credentials: FleetCredentials | None) -> None:
        self.listener = listener
        self._configuration = configuration(listener, credentials)
        self._file = data_dir() / f"engine-{listener.port}.conf"
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        process = self._process
        return None if process is None or process.returncode is not None else process.pid

    async def start(self) -> None:
        """Returns once it listens; EngineStartError if it does not."""
        text = json.dumps(self._configuration, indent=1)
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_durably(self._file, text.encode(), 0o600)
        except OSError as error:
            raise EngineStartError(f"{self._file}: {error.strerror or error}") from error
        await self._until_free()
        process = await self._launch()
        listening = asyncio.create_task(self._until_listening())
        ended = asyncio.create_task(_last_words(process))
        try:
            await asyncio.wait(
                [listening, ended], timeout=START_S, return_when=asyncio.FIRST_COMPLETED
            )
            if ended.done():
                reason = ended.result() or f"it ended with status {process.returncode}"
                raise EngineStartError(f"the engine: {reason}")
            if not listening.done():
                raise EngineStartError(f"the engine did not listen within {START_S:g} s")
        except BaseException:
            await _end(process)
            raise
        finally:
            listening.cancel()
        self._task = asyncio.create_task(self._keep_alive(ended), name="edge-engine-process")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._process is not None:
            await _end(self._process)

    async def _keep_alive(self, ended: asyncio.Task[str]) -> None:
        wait = RetryWait(first_s=RESTART_FIRST_S, most_s=RESTART_MOST_S)
        while True:
            since = time.monotonic()
            log.warning("engine_ended", reason=await ended)
            if time.monotonic() - since > STEADY_S:
                wait.worked()
            while True:
                await asyncio.sleep(wait.next_s())
                try:
                    ended = asyncio.create_task(_last_words(await self._launch()))
                    break
                except EngineStartError as error:
                    log.warning("engine_not_started", reason=str(error))

    async def _launch(self) -> Process:
        path = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}/usr/sbin"
        program = shutil.which(PACKAGE, path=path)
        if program is None:
            raise EngineStartError(
                f"{PACKAGE} is missing: install Debian's package `{PACKAGE}`, or name an engine"
                " that runs with --fleet nats://HOST:PORT"
            )
        try:
            self._process = await asyncio.create_subprocess_exec(
                *(program, "-c", str(self._file)),
                stdin=DEVNULL,
                stdout=DEVNULL,
                stderr=PIPE,
                preexec_fn=terminate_with_parent,
                process_group=0,  # Ctrl-C is the director's, which then ends it
            )
        except OSError as error:
            raise EngineStartError(f"{program}: {error.strerror or error}") from error
        log.info("engine_started", pid=self._process.pid, listen=self._configuration["listen"])
        return self._process

    async def _until_free(self) -> None:
        """Whether another program listens there; that of a director which was killed is ending."""
        where = (self.listener.host, self.listener.port)
        until_s = time.monotonic() + FREE_S
        while (error := await asyncio.to_thread(_bind_error, *where)) is not None:
            if time.monotonic() >= until_s:
                raise EngineStartError(
                    f"the engine cannot listen on {where[0]}:{where[1]}: {error}: choose another"
                    " with --fleet-listen, or name an engine that runs with --fleet"
                )
            await asyncio.sleep(0.1)

    async def _until_listening(self) -> None:
        host = self.listener.url.removeprefix("nats://").rpartition(":")[0].strip("[]")
        while True:
            try:
                _, writer = await asyncio.open_connection(host, self.listener.port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


def _bind_error(host: str, port: int) -> str | None:
    """Why nobody can listen there now; None if one can."""
    try:
        [(family, kind, protocol, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            tried.listen()
    except OSError as error:
        return error.strerror or str(error)
    return None


async def _last_words(process: Process) -> str:
    """Waits for the end of the process; the last thing it complained of."""
    assert process.stderr is not None
    last = ""
    try:
        async for line in process.stderr:
            text = line.decode(errors="replace").strip()
            if "[ERR]" in text or "[FTL]" in text or "[" not in text:
                last = text.rpartition("]")[2].strip() or last
    except ValueError:  # a line that is too long
        last = last or "unreadable"
    await process.wait()
    return last


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    try:
        process.terminate()
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
    except ProcessLookupError:
        await process.wait()
