"""The command line: `python -m netem COMMAND`."""

from __future__ import annotations

import argparse
import importlib
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import LinkError
from netem.units import rate_bps, share, time_ms
from traces import Trace, TraceError, constant, read

EXIT_FAILED, EXIT_USAGE = 1, 2

_HEAVY = {
    "publish": ("netem.publisher.command", "load a server with light publishers"),
    "steady": ("netem.publisher.steady_publisher", "publishers of a fixed stream, for benchmarks"),
    "run": ("netem.experiment.command", "run an experiment's matrix"),
    "fleet": ("netem.fleet_demo", "eight cameras on their links, and the admin page's picture"),
}

ABOUT = """Runs COMMAND in a network namespace of its own, behind an emulated link to this machine,
which it reaches at $LINK_OUTSIDE. What COMMAND sends has the rate, queue, delay, jitter, loss and
reordering asked for; what it receives has the same delay and no limit, so that the round trip grows
by twice the delay. Everything that was made is gone afterwards. Needs root."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 bad usage; of `link`, else the command's own."""
    parser = argparse.ArgumentParser(prog="python -m netem", description=__doc__)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_link(commands)
    _add_heavy(commands, sys.argv[1:] if arguments is None else arguments)
    options = parser.parse_args(arguments)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except (LinkError, TraceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130


def _add_link(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser("link", help="run a command behind a link", description=ABOUT)
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--trace", metavar="FILE", help="the uplink's rate, repeated; any format")
    rate.add_argument("--rate", type=_unit(rate_bps), help="a fixed rate: 8mbit")
    parser.add_argument(
        "--delay", type=_unit(time_ms), default=0.0, help="one way, in both directions: 20ms"
    )
    parser.add_argument(
        "--jitter", type=_unit(time_ms), default=0.0, help="of the uplink, give or take: 5ms"
    )
    parser.add_argument("--loss", type=_unit(share), default=0.0, help="of the uplink: 1%%")
    parser.add_argument(
        "--loss-burst", type=int, default=1, metavar="N", help="packets lost in a row (default 1)"
    )
    parser.add_argument(
        "--reorder", type=_unit(share), default=0.0, help="packets sent without the delay: 1%%"
    )
    parser.add_argument(
        "--queue", type=_unit(time_ms), default=200.0, help="its length at the mean rate (200ms)"
    )
    parser.add_argument(
        "--kind",
        choices=("auto", "kernel", "tun"),
        default="auto",
        help="tbf and netem, or our own TUN link (default: kernel where it can do all)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of losses and jitter (default 0)")
    parser.add_argument("--log", type=Path, metavar="CSV", help="what the uplink did, every 100 ms")
    parser.add_argument("argv", nargs="+", metavar="COMMAND", help="after --: what to run")
    parser.set_defaults(run=lambda options: _link(parser, options))


def _link(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    trace: Trace = read(options.trace) if options.trace else constant(options.rate)
    try:
        link = EmulatedLink(
            trace,
            delay_ms=options.delay,
            jitter_ms=options.jitter,
            loss=options.loss,
            loss_burst=options.loss_burst,
            reorder=options.reorder,
            queue_ms=options.queue,
            kind=options.kind,
            seed=options.seed,
            log=options.log,
        )
    except ValueError as error:
        parser.error(str(error))
    with link:
        print(
            f"link: {link.used} ({link.why}); {trace.name}; here {link.outside_address}, "
            f"there {link.inside_address} in {link.namespace}",
            file=sys.stderr,
        )
        addresses = [f"LINK_OUTSIDE={link.outside_address}", f"LINK_INSIDE={link.inside_address}"]
        # Ctrl-C reaches the command from the terminal as well; here it ends the wait.
        status = link.popen(["env", *addresses, *options.argv]).wait()
    return 128 - status if status < 0 else status


def _add_heavy(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], arguments: Sequence[str]
) -> None:
    """Commands whose modules (aiortc, PyAV and more) load only where they are used."""
    for name, (module, about) in _HEAVY.items():
        if name not in arguments:
            commands.add_parser(name, help=about)
            continue
        loaded = importlib.import_module(module)
        loaded.add(commands.add_parser(name, help=about, description=loaded.ABOUT))


def _unit(parse: Callable[[str], float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) == signal.SIG_DFL:  # not under nohup
            signal.signal(number, _leave)
    sys.exit(main())
