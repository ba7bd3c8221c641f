"""What `edge serve` and `edge direct` share: options, logs, and a run from start to stop."""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

from edge.cli import fail
from edge.config import Settings


class Service(Protocol):
    """Begins to serve with `start`; `stop` ends it in any state.

    In between, once a signal has come, `leave` lets those that it serves go elsewhere; it takes
    `leave_s` at most.
    """

    @property
    def leave_s(self) -> float: ...
    async def start(self) -> None: ...
    async def leave(self) -> None: ...
    async def stop(self) -> None: ...


_Service = TypeVar("_Service", bound=Service)


def add_address_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings in TOML")
    parser.add_argument("--host", help="address to listen on (default 0.0.0.0)")
    parser.add_argument("--port", type=int, help="default 8443; 0 takes a free one")
    parser.add_argument(
        "--http", action="store_true", default=None, help="plain HTTP, for use behind a proxy"
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="certificate chain (PEM)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="its key (PEM)")


def add_log_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--log-format", choices=("text", "json"), help="default text")
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="log here as well")
    parser.add_argument("--verbose", action="store_true", help="log state changes too")


def given_settings(options: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings that options name, and those of the table `fleet`."""
    names = set(Settings.model_fields) & set(vars(options)) - {"fleet"}
    fleet = {"servers": options.fleet, "creds": options.fleet_creds}
    given = {key: value for key, value in fleet.items() if value is not None}
    return {name: getattr(options, name) for name in names}, given


def run_service(
    settings: Settings,
    make: Callable[[], _Service],
    announce: Callable[[_Service], None],
    *,
    verbose: bool,
) -> int:
    """Run what `make` makes until a signal, with logs that outlive it; the exit status.

    `make` may raise StartError, OSError and ValueError; `announce` is called once it serves.
    """
    from edge.observability import logs  # noqa: PLC0415

    try:
        log = logs.Logs(
            settings.log_format,
            level=logging.DEBUG if verbose else logging.INFO,
            file=settings.log_file,
            file_bytes=settings.log_file_bytes,
            files=settings.log_files,
        )
    except OSError as error:
        return fail(f"log_file: {error}")
    try:
        failure = asyncio.run(_until_signal(settings, make, announce))
    finally:
        log.close()  # its thread writes what is queued before the line below
    return 0 if failure is None else fail(failure)


async def _until_signal(
    settings: Settings, make: Callable[[], _Service], announce: Callable[[_Service], None]
) -> str | None:
    """The reason of a failure, else None."""
    from edge.cli.end_signals import STOP_S, EndSignals  # noqa: PLC0415
    from edge.observability import garbage_collector, systemd  # noqa: PLC0415
    from edge.startup import StartError  # noqa: PLC0415

    try:
        service = make()
    except (StartError, OSError, ValueError) as error:  # a file that a setting names, say
        return str(error)
    task = asyncio.current_task()
    assert task is not None
    EndSignals(task, STOP_S + service.leave_s)
    try:
        await service.start()
        garbage_collector.freeze()
        announce(service)
        systemd.notify("READY=1")
        await _until_left(service, settings.stuck_exit_s)
    except StartError as error:
        return str(error)
    except asyncio.CancelledError:
        pass
    finally:
        systemd.notify("STOPPING=1")
        await service.stop()
    return None


async def _until_left(service: Service, stuck_exit_s: float) -> None:
    """Until a signal, and then until those that it serves have gone elsewhere."""
    from edge.observability import heartbeat  # noqa: PLC0415

    beating = asyncio.create_task(heartbeat.beat(stuck_exit_s))
    try:
        await asyncio.wait([beating])
        await beating  # it has failed
    except asyncio.CancelledError:
        await service.leave()
        raise
    finally:
        beating.cancel()
