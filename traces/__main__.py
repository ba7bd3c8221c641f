"""The command line: `python -m traces COMMAND`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.cli.extras import ExtraMissingError, lab_extra
from traces.formats import FORMATS, read, write
from traces.generate import KINDS
from traces.trace import Trace, TraceError

EXIT_FAILED = 1
OUTAGE_BPS = 0.1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m traces", description="Read, convert, plot and generate link traces."
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    info = commands.add_parser("info", help="summarise trace files, a line each")
    info.add_argument("files", nargs="+", metavar="FILE")
    _add_reading(info)

    convert = commands.add_parser(
        "convert", help="convert to the plain format (seconds, Mbit/s, ...)"
    )
    convert.add_argument("source", metavar="IN")
    convert.add_argument("target", metavar="OUT")
    convert.add_argument(
        "--resample-ms", type=_positive, metavar="MS", help="means over even steps of MS"
    )
    _add_reading(convert)

    plot = commands.add_parser("plot", help="plot rates over time and their distribution, as a PNG")
    plot.add_argument("files", nargs="+", metavar="FILE")
    plot.add_argument("--out", required=True, metavar="PNG")
    _add_reading(plot)

    generate = commands.add_parser("generate", help="generate a trace from a seed")
    generate.add_argument("kind", choices=sorted(KINDS), metavar="KIND", help=", ".join(KINDS))
    generate.add_argument("target", metavar="OUT")
    generate.add_argument("--seed", type=_seed, default=0, help="0 or more (default 0)")
    generate.add_argument("--seconds", type=_seconds, default=120.0, help="default 120")

    options = parser.parse_args(arguments)
    try:
        _run(options)
    except (ExtraMissingError, TraceError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        return 130
    return 0


def _run(options: argparse.Namespace) -> None:
    if options.command == "generate":
        write(KINDS[options.kind](options.seed, options.seconds), options.target)
        return
    reading = dict(options.option)
    if options.command == "info":
        for file in options.files:
            print(describe(read(file, options.format, **reading)), flush=True)
    elif options.command == "convert":
        trace = read(options.source, options.format, **reading)
        write(trace.resample(options.resample_ms) if options.resample_ms else trace, options.target)
    else:
        with lab_extra("python -m traces plot"):
            from traces.plot import draw  # noqa: PLC0415  # Matplotlib takes a second to import

        draw([read(file, options.format, **reading) for file in options.files], Path(options.out))


def describe(trace: Trace) -> str:
    """The trace in a line of text, rates in Mbit/s."""
    p5, p50, p95 = (f"{rate / 1e6:.2f}" for rate in trace.quantile_bps(0.05, 0.5, 0.95))
    known = [k for k in ("delay_ms", "jitter_ms", "loss") if getattr(trace, k) is not None]
    parts = [
        f"{trace.duration_ms / 1e3:.1f} s in {len(trace.at_ms)} steps",
        f"mean {trace.mean_bps / 1e6:.2f} Mbit/s",
        f"p5 {p5}, median {p50}, p95 {p95}",
        f"below 0.1 Mbit/s {trace.share_below(OUTAGE_BPS):.1%} of the time",
        *([f"with {', '.join(known)}"] if known else []),
        *trace.notes,
    ]
    return f"{trace.name}: {'; '.join(parts)}"


def _add_reading(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", choices=sorted(FORMATS), help="default: detected")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        type=_option,
        metavar="NAME=NUMBER",
        help="of the format: bin_ms (mahimahi), step_ms (jellyfish), clip (alphartc), "
        "run and leg (nuwins)",
    )


def _option(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    return name, float(value)


def _positive(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text}: above 0")
    return value


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 86_400.0:
        raise argparse.ArgumentTypeError(f"{text}: above 0, a day (86400) at most")
    return value


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: 0 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
