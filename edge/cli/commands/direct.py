"""`edge direct`: one address for many servers."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.cli import fail
from edge.config import Settings, load

if TYPE_CHECKING:
    from edge.fleet.director.director import Director

ABOUT = """Place sessions on the servers of a fleet (`edge serve --fleet URL`) until Ctrl-C, behind
one address. Without --fleet, a nats-server is started and ended with it. Settings of the address,
tokens and limits are those of `edge serve`, from the same sources."""

DEFAULT_ENGINE = "127.0.0.1:4222"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "direct", help="one address for the servers of a fleet", description=ABOUT
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    parser.add_argument("--host", help="address to listen on (default 0.0.0.0)")
    parser.add_argument("--port", type=int, help="default 8443; 0 takes a free one")
    parser.add_argument(
        "--http", action="store_true", default=None, help="plain HTTP, for use behind a proxy"
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="certificate chain (PEM)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its key (PEM)")
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument("--fleet", metavar="URL,...", help="an engine that runs: nats://HOST:PORT")
    engine.add_argument(
        "--fleet-listen",
        type=_address,
        metavar="HOST:PORT",
        help=f"where the engine that is started listens (default {DEFAULT_ENGINE})",
    )
    parser.add_argument(
        "--fleet-creds", type=Path, metavar="FILE", help="logins at the engine (TOML)"
    )
    parser.add_argument("--log-format", choices=("text", "json"), help="default text")
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="log here as well")
    parser.add_argument("--verbose", action="store_true", help="log more")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Direct until a signal, with logs that outlive the director; the exit status."""
    from edge.observability import logs  # noqa: PLC0415

    settings, listen = _settings(options)
    try:
        log = logs.Logs(
            settings.log_format,
            level=logging.DEBUG if options.verbose else logging.INFO,
            file=settings.log_file,
            file_bytes=settings.log_file_bytes,
            files=settings.log_files,
        )
    except OSError as error:
        return fail(f"log_file: {error}")
    try:
        failure = _direct(settings, listen)
    finally:
        log.close()
    return 0 if failure is None else fail(failure)


def _settings(options: argparse.Namespace) -> tuple[Settings, tuple[str, int] | None]:
    """The settings in force, and where an engine of its own is to listen, if it is to have one."""
    from edge.fleet.engine_process import EngineListener  # noqa: PLC0415

    names = set(Settings.model_fields) & set(vars(options)) - {"fleet"}
    flags: dict[str, Any] = {name: getattr(options, name) for name in names}
    fleet = {"servers": options.fleet, "creds": options.fleet_creds}
    given = {key: value for key, value in fleet.items() if value is not None}
    listen: tuple[str, int] | None = options.fleet_listen
    if listen is None and options.fleet is None and load(options.config, **flags).fleet is None:
        listen = _address(DEFAULT_ENGINE)
    if listen is not None:
        given["servers"] = [EngineListener(*listen).url]
    return load(options.config, **flags, fleet=given or None), listen


def _direct(settings: Settings, listen: tuple[str, int] | None) -> str | None:
    """Direct until a signal; the reason if that failed, else None."""
    from edge.cli.end_signals import EndSignals  # noqa: PLC0415
    from edge.fleet.director.director import Director  # noqa: PLC0415
    from edge.fleet.engine_process import own_engine  # noqa: PLC0415
    from edge.observability import garbage_collector, heartbeat, systemd  # noqa: PLC0415
    from edge.startup import StartError  # noqa: PLC0415

    async def direct() -> str | None:
        try:
            own = None if listen is None else own_engine(settings, *listen)
            director = Director(settings, own)
        except (StartError, OSError, ValueError) as error:
            return str(error)
        task = asyncio.current_task()
        assert task is not None
        EndSignals(task)
        try:
            await director.start()
            garbage_collector.freeze()
            _announce(director)
            systemd.notify("READY=1")
            await heartbeat.beat(settings.stuck_exit_s)  # until a signal
        except StartError as error:
            return str(error)
        except asyncio.CancelledError:
            pass
        finally:
            systemd.notify("STOPPING=1")
            await director.stop()
        return None

    return asyncio.run(direct())


def _announce(director: Director) -> None:
    """Print the addresses. The first line is `Directing at URL`, for programs."""
    fleet = director.settings.fleet
    assert fleet is not None
    print(f"Directing at {director.url}", flush=True)
    for url in director.lan_urls:
        print(f"In the network: {url}", flush=True)
    print(f"Nodes join with: edge serve --fleet {','.join(fleet.servers)}", flush=True)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65_535:
        raise argparse.ArgumentTypeError(f"{text!r}: HOST:PORT, such as 0.0.0.0:4222")
    return host, int(port)
