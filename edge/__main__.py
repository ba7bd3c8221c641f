"""The command line: `python -m edge COMMAND`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import edge
from edge.assets.browser import BrowserMissingError
from edge.assets.store import AssetError
from edge.config import ConfigError, Settings, load
from edge.session.control_messages import SLO_MAX_MS, SLO_MIN_MS

EXIT_FAILED, EXIT_USAGE = 1, 2

Run = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 bad usage."""
    parser = argparse.ArgumentParser(prog="python -m edge", description=edge.__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (_add_serve, _add_demo, _add_solve, _add_weights, _add_setup):
        add(commands)
    options = parser.parse_args(arguments)
    run: Run = options.run
    try:
        return run(options)
    except ConfigError as error:
        return _fail(str(error), EXIT_USAGE)
    except (AssetError, BrowserMissingError) as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130


def _seconds(text: str) -> float:
    return _in_range(text, 1.0, 86_400.0)


def _slo_ms(text: str) -> float:
    return _in_range(text, SLO_MIN_MS, SLO_MAX_MS)


def _fps(text: str) -> int:
    return int(_in_range(text, 1.0, 60.0))


def _in_range(text: str, least: float, most: float) -> float:
    value = float(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text}: {least:g} to {most:g}")
    return value


def _fail(message: str, status: int = EXIT_FAILED) -> int:
    print(f"error: {message}", file=sys.stderr)
    return status


def _add_serve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
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
        help="cpu, cuda:N or sim:PROFILE, one worker each (default cpu)",
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
        help="processes that take streams in (default 1: the server's own)",
    )
    parser.add_argument("--max-sessions", type=int, metavar="N")
    parser.add_argument("--log-format", choices=("text", "json"), help="default text")
    parser.add_argument("--log-file", type=Path, metavar="FILE", help="log here as well")
    parser.add_argument("--verbose", action="store_true", help="log state changes too")
    parser.add_argument(
        "--print-config", action="store_true", help="print the settings in force, and end"
    )
    parser.set_defaults(run=_serve)


def _serve(options: argparse.Namespace) -> int:
    from edge.cli import settings_toml  # noqa: PLC0415
    from edge.observability import logs  # noqa: PLC0415

    names = set(Settings.model_fields) & set(vars(options))
    settings = load(options.config, **{name: getattr(options, name) for name in names})
    if options.print_config:
        print(settings_toml.printed(settings), end="")
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
        return _fail(f"log_file: {error}")
    try:
        failure = _serve_logged(settings)
    finally:
        log.close()  # a thread writes it: what is said from here on comes after its last line
    return 0 if failure is None else _fail(failure)


def _serve_logged(settings: Settings) -> str | None:
    """Serve until a signal; why that failed, None if it did not."""
    from edge.cli import terminal  # noqa: PLC0415  # torch and aiortc load only where they are used
    from edge.observability import systemd  # noqa: PLC0415  # torch and aiortc load only where they are used
    from edge.observability.garbage_collector import settle  # noqa: PLC0415
    from edge.rtc.aiortc_adapter import InternalsError  # noqa: PLC0415
    from edge.server import Server, StartError  # noqa: PLC0415

    async def run() -> str | None:
        try:
            server = Server(settings, on_progress=terminal.progress)
        except (InternalsError, StartError, OSError, ValueError) as error:  # aiortc, a file
            return str(error)
        _end_on_signals()
        try:
            await server.start()
            settle()
            terminal.announce(server)
            systemd.tell("READY=1")
            await asyncio.Event().wait()  # until a signal
        except StartError as error:
            return str(error)
        except asyncio.CancelledError:
            pass
        finally:
            systemd.tell("STOPPING=1")
            await server.stop()
        return None

    return asyncio.run(run())


def _end_on_signals() -> None:
    """SIGINT and SIGTERM cancel the current task, once; a second one ends the process."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def end(number: signal.Signals) -> None:
        loop.remove_signal_handler(number)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, end, number)


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Serve real YOLOv4-tiny to a real browser streaming a street video; tell how it went."
    parser = commands.add_parser("demo", help="the whole way, on a sample", description=about)
    parser.add_argument("--seconds", type=_seconds, default=20.0, metavar="N", help="default 20")
    parser.add_argument("--video", type=Path, metavar="FILE", help="any video; default a street")
    parser.add_argument("--slo-ms", type=_slo_ms, default=150.0, metavar="N", help="default 150")
    parser.add_argument("--fps", type=_fps, default=15, metavar="N", help="1 to 60, default 15")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary here")
    parser.add_argument(
        "--screenshot", type=Path, metavar="FILE", help="default out/demo.png", default=None
    )
    parser.add_argument("--device", default="cpu", help="default cpu")
    parser.set_defaults(run=_demo)


def _demo(options: argparse.Namespace) -> int:
    from edge.cli import demo  # noqa: PLC0415

    return demo.run(options)


def _add_solve(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "A scheduling problem (JSON) on standard input, a plan on standard output."
    parser = commands.add_parser("solve", help="solve a scheduling problem", description=about)
    parser.add_argument(
        "--algorithm", choices=("auto", "sa-dp", "exact"), default="auto", help="default auto"
    )
    parser.add_argument(
        "--rule", choices=("shared", "single"), default="shared", help="default shared"
    )
    parser.set_defaults(run=_solve)


def _solve(options: argparse.Namespace) -> int:
    from edge.cli import solve  # noqa: PLC0415

    return solve.run(options)


def _add_weights(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("weights", help="the networks' weight files")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="known files, their sources, and what is cached")
    listing.set_defaults(run=_weights_list)
    fetching = actions.add_parser("fetch", help="fetch one into the cache")
    fetching.add_argument("name", metavar="NAME", help="as `list` calls it")
    fetching.set_defaults(run=_weights_fetch)


def _weights_list(options: argparse.Namespace) -> int:
    from edge.cli import terminal  # noqa: PLC0415

    terminal.list_weights()
    return 0


def _weights_fetch(options: argparse.Namespace) -> int:
    from edge.cli import terminal  # noqa: PLC0415

    return terminal.fetch_weights(options.name)


def _add_setup(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "Install the named browsers and fetch weights and samples, where they are missing."
    parser = commands.add_parser("setup", help="what a fresh machine needs", description=about)
    parser.add_argument("browsers", nargs="*", metavar="PACKAGE", help="chromium, firefox-esr")
    parser.set_defaults(run=_setup)


def _setup(options: argparse.Namespace) -> int:
    from edge.cli import setup  # noqa: PLC0415

    return setup.run(options.browsers)


if __name__ == "__main__":
    sys.exit(main())
