"""`edge serve`: settings, logs and signals around the server."""

from __future__ import annotations

import argparse
import asyncio
import logging
from pathlib import Path

from edge.cli import fail
from edge.config import Settings, load


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Serve until Ctrl-C. Every setting is also a key of a TOML file and EDGE_<KEY>."
    parser = commands.add_parser("serve", help="serve pages and sessions", description=about)
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    parser.add_argument("--host", help="address to listen on (default 0.0.0.0)")
    parser.add_argument("--port", type=int, help="default 8443; 0 takes a free one")
    parser.add_argument(
        "--http", action="store_true", default=None, help="plain HTTP, for use behind a proxy"
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="certificate chain (PEM)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its key (PEM)")
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
    parser.add_argument("--log-format", choices=("text", "json"), help="default text")
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="log here as well")
    parser.add_argument("--verbose", action="store_true", help="log state changes too")
    parser.add_argument(
        "--print-config", action="store_true", help="print the settings in force, and end"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until a signal, with logs that outlive the server; the exit status."""
    from edge.cli import settings_toml  # noqa: PLC0415
    from edge.observability import logs  # noqa: PLC0415

    names = set(Settings.model_fields) & set(vars(options)) - {"fleet"}
    flags = {name: getattr(options, name) for name in names}
    fleet = {"servers": options.fleet, "creds": options.fleet_creds}
    given = {key: value for key, value in fleet.items() if value is not None}
    settings = load(options.config, **flags, fleet=given or None)
    if options.print_config:
        print(settings_toml.render(settings), end="")
        return 0
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
        failure = _serve(settings)
    finally:
        log.close()  # its thread writes what is queued before the line below
    return 0 if failure is None else fail(failure)


def _serve(settings: Settings) -> str | None:
    """Serve until a signal; the reason if that failed, else None."""
    from edge.cli import terminal  # noqa: PLC0415
    from edge.cli.end_signals import EndSignals  # noqa: PLC0415
    from edge.observability import garbage_collector, heartbeat, systemd  # noqa: PLC0415
    from edge.rtc.transport.aiortc_adapter import InternalsError  # noqa: PLC0415
    from edge.server import Server  # noqa: PLC0415
    from edge.startup import StartError  # noqa: PLC0415

    async def serve() -> str | None:
        try:
            server = Server(settings, on_progress=terminal.progress)
        except (InternalsError, StartError, OSError, ValueError) as error:  # aiortc, a file
            return str(error)
        task = asyncio.current_task()
        assert task is not None
        EndSignals(task)
        try:
            await server.start()
            garbage_collector.freeze()
            terminal.announce(server)
            systemd.notify("READY=1")
            await heartbeat.beat(settings.stuck_exit_s)  # until a signal
        except StartError as error:
            return str(error)
        except asyncio.CancelledError:
            pass
        finally:
            systemd.notify("STOPPING=1")
            await server.stop()
        return None

    return asyncio.run(serve())
