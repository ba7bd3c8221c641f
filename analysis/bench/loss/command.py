"""Frames decoded and stalls over a lossy link: ours against plain aiortc in the same run.

Real Chromium in a network namespace streams to this process through the project's own TUN link: 8
Mbit/s, 15 ms each way; 1, 2 and 5 % of the packets lost at random, or 1 % in bursts of 10. A stall
is a time without a decoded frame. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from analysis.bench.loss.results import LOSSES, RECEIVERS, markdown, promises, table, to_json
from analysis.bench.report import BenchmarkReport, aiortc_versions, write_section

FPS = (15, 30)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=_seconds, default=30.0, metavar="N", help="default 30")
    parser.add_argument("--quick", action="store_true", help="8 s each, at 15 frames/s only")
    parser.add_argument("--only", choices=list(LOSSES), action="append", help="may be given again")
    parser.add_argument("--receivers", choices=list(RECEIVERS), nargs="+", default=list(RECEIVERS))
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table there")
    parser.add_argument("--fps", type=int, choices=FPS, nargs="+", default=list(FPS))


def _seconds(text: str) -> float:
    value = float(text)
    if not 2.0 <= value <= 3600.0:
        raise argparse.ArgumentTypeError(f"{text}: 2 to 3600")
    return value


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when no stall of ours was too long, 1 otherwise."""
    from analysis.bench.loss.measurement import measure  # noqa: PLC0415
    from analysis.bench.rate.browser_publisher import check_links  # noqa: PLC0415

    report = BenchmarkReport(options.json, aiortc_versions())
    check_links()
    seconds, rates = (8.0, [FPS[0]]) if options.quick else (options.seconds, options.fps)
    losses = [LOSSES[name] for name in options.only or LOSSES]
    rows = asyncio.run(measure(losses, rates, options.receivers, seconds))
    report.console.print(table(rows))
    if options.markdown:
        write_section(options.markdown, "bench loss", markdown(rows))
    return report.finish(promises(rows), rows=[to_json(row, seconds) for row in rows])
