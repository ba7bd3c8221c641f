"""The command line: `python -m netem COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType

from edge.cli.extras import ExtraMissingError, lab_extra
from traces import TraceError

EXIT_FAILED = 1

_COMMANDS = {
    "link": ("netem.links.command", "run a command behind a link"),
    "publish": ("netem.publisher.command", "load a server with light publishers"),
    "steady": ("netem.publisher.steady_publisher", "publishers of a fixed stream, for benchmarks"),
    "run": ("netem.experiment.command", "run an experiment's matrix"),
    "misses": ("netem.results.misses_command", "the missed frames of finished runs, by cause"),
    "fleet": ("netem.fleet_demo", "eight cameras on their links, and the admin page's picture"),
    "handover": ("netem.handover_demo", "a phone that changes its network: how long no boxes come"),
    "failover": ("netem.failover.command", "a node that is lost: how long no boxes come, and why"),
    "nodes": ("netem.nodes_demo", "a director and its nodes, and the fleet's admin page's picture"),
    "scene": ("netem.scene_demo", "pictures of the admin page: zones, capacity, history"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 bad usage; of `link`, else the command's own."""
    try:
        options = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except (ExtraMissingError, TraceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; a command's module (aiortc, PyAV and more) loads only if that command is run."""
    parser = argparse.ArgumentParser(prog="python -m netem", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for name, (module, about) in _COMMANDS.items():
        if list(arguments[:1]) != [name]:
            commands.add_parser(name, help=about)
            continue
        with lab_extra(f"python -m netem {name}"):
            loaded = importlib.import_module(module)
        loaded.add(commands.add_parser(name, help=about, description=loaded.ABOUT))
    return parser


def _exit(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
            signal.signal(number, _exit)
    sys.exit(main())
