"""`edge direct`: one address for many servers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.service import add_address_options, add_log_options, given_settings, run_service
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
    add_address_options(parser)
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
    add_log_options(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Direct until a signal; the exit status."""
    settings, listen = _settings(options)
    return run_service(
        settings, lambda: _director(settings, listen), _announce, verbose=options.verbose
    )


def _settings(options: argparse.Namespace) -> tuple[Settings, tuple[str, int] | None]:
    """The settings in force, and where an engine of its own is to listen, if it is to have one."""
    from edge.fleet.engine_process import EngineListener  # noqa: PLC0415

    flags, given = given_settings(options)
    listen: tuple[str, int] | None = options.fleet_listen
    if listen is None and options.fleet is None and load(options.config, **flags).fleet is None:
        listen = _address(DEFAULT_ENGINE)
    if listen is not None:
        given["servers"] = [EngineListener(*listen).url]
    return load(options.config, **flags, fleet=given or None), listen


def _director(settings: Settings, listen: tuple[str, int] | None) -> Director:
    from edge.fleet.director.director import Director  # noqa: PLC0415
    from edge.fleet.engine_process import own_engine  # noqa: PLC0415

    return Director(settings, None if listen is None else own_engine(settings, *listen))


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
