"""`python -m netem link`: run a command behind an emulated link."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import LinkError
from netem.units import rate_bps, share, time_ms
from traces import Trace, constant, read

ABOUT = """Runs COMMAND in its own network namespace, behind an emulated link to this machine,
which it reaches at $LINK_OUTSIDE. The packets that COMMAND sends pass the given rate, queue, delay,
jitter, loss and reordering; those that it receives have the same delay and no rate limit, so the
round trip grows by twice the delay. Everything is removed afterwards. Needs root."""


def add(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    rate = parser.add_mutually_exclusive_group(required=True)
    rate.add_argument("--trace", metavar="FILE", help="the uplink's rate, repeated; any format")
    rate.add_argument("--rate", type=_unit(rate_bps), help="a constant rate: 8mbit")
    parser.add_argument(
        "--delay", type=_unit(time_ms), default=0.0, help="one way, in both directions: 20ms"
    )
    parser.add_argument(
        "--jitter", type=_unit(time_ms), default=0.0, help="of the uplink, plus or minus: 5ms"
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
        help="tbf and netem, or the project's TUN link (default: kernel where it can do all)",
    )
    parser.add_argument("--seed", type=int, default=0, help="of losses and jitter (default 0)")
    parser.add_argument("--log", type=Path, metavar="CSV", help="the uplink's state, every 100 ms")
    parser.add_argument("argv", nargs="+", metavar="COMMAND", help="after --: the command to run")
    parser.set_defaults(run=lambda options: _run(parser, options))


def _run(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Exit status: the command's own, or 1 if the link could not be made."""
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
    try:
        return _run_behind(link, trace, options.argv)
    except LinkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run_behind(link: EmulatedLink, trace: Trace, argv: list[str]) -> int:
    with link:
        print(
            f"link: {link.used} ({link.why}); {trace.name}; here {link.outside_address}, "
            f"there {link.inside_address} in {link.namespace}",
            file=sys.stderr,
        )
        addresses = [f"LINK_OUTSIDE={link.outside_address}", f"LINK_INSIDE={link.inside_address}"]
        # The terminal sends Ctrl-C to the command as well; here it ends the wait.
        status = link.popen(["env", *addresses, *argv]).wait()
    return 128 - status if status < 0 else status


def _unit(parse: Callable[[str], float]) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert
