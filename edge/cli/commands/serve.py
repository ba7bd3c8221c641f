"""`edge serve`: settings, logs and signals around the server."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.service import add_address_options, add_log_options, given_settings, run_service
from edge.config import Settings, load

if TYPE_CHECKING:
    from edge.server import Server


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Serve until Ctrl-C. Every setting is also a key of a TOML file and EDGE_<KEY>."
    parser = commands.add_parser("serve", help="serve pages and sessions", description=about)
    add_address_options(parser)
    parser.add_argument(
        "--device",
        nargs="+",
        metavar="D",
        help="cpu, cuda:N or sim:PROFILE (a file, or sim-rtx2080ti), one worker each (default cpu)",
    )
    parser.add_argument(
        "--profile",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="each device's latencies, by `python -m profiles latency` (default: a quick measure)",
    )
    parser.add_argument("--network", help="yolov4-tiny (default) or yolov4")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a Darknet weight file")
    parser.add_argument(
        "--accuracy", type=Path, metavar="FILE", help="by `python -m profiles accuracy`"
    )
    parser.add_argument("--slo-ms", type=float, metavar="MS", help="default latency objective")
    parser.add_argument("--fps", type=float, metavar="N", help="frames a second to ask for")
    parser.add_argument(
        "--ingest",
        type=int,
        metavar="N",
        help="processes that receive streams (default 1; 0: the server's own)",
    )
    parser.add_argument("--max-sessions", type=int, metavar="N")
    parser.add_argument(
        "--fleet", metavar="URL,...", help="be a node of a fleet, by its engine: nats://HEAD:4222"
    )
    parser.add_argument(
        "--fleet-creds", type=Path, metavar="FILE", help="the login at the engine (TOML)"
    )
    add_log_options(parser)
    parser.add_argument(
        "--print-config", action="store_true", help="print the settings in force, and end"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal; the exit status."""
    from edge.cli import settings_toml, terminal  # noqa: PLC0415

    flags, fleet = given_settings(options)
    settings = load(options.config, **flags, fleet=fleet or None)
    if options.print_config:
        print(settings_toml.render(settings), end="")
        return 0
    return run_service(
        settings, lambda: _server(settings), terminal.announce, verbose=options.verbose
    )


def _server(settings: Settings) -> Server:
    from edge.cli import terminal  # noqa: PLC0415
    from edge.rtc.transport.aiortc_adapter import InternalsError  # noqa: PLC0415
    from edge.server import Server  # noqa: PLC0415
    from edge.startup import StartError  # noqa: PLC0415

    try:
        return Server(settings, on_progress=terminal.progress)
    except InternalsError as error:
        raise StartError(str(error)) from error
