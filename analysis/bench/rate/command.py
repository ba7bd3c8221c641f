"""A frame's time on the network over steady links, steps and real traces, by rate controller.

Real Chromium in a network namespace streams to this process through an emulated link, to each
controller in turn under the same conditions: `receiver` (ours: hints and REMB by packet trains),
`receiver-remb` (the same for a publisher that obeys no hints), `transport-cc` (Chromium's own
estimator, fed by our feedback) and `aiortc` as it ships. Network time is from a frame leaving the
encoder to its last packet's arrival, on one machine's clock. Needs root.

Runs may go abreast, each behind a link of its own through the same time of its trace, where the
machine has room for them: three take a third of two processors. Rows that the `--json` file has
are not measured again.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from analysis.bench.rate.markdown import markdown
from analysis.bench.rate.result_store import ResultStore
from analysis.bench.rate.results import CONTROLLERS, promises, table
from analysis.bench.report import BenchmarkReport, MeasurementError, aiortc_versions, write_section

KINDS = ("steady", "steps", "traces")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--seconds", type=float, metavar="N", help="of each run (default: steady 12, traces 60)"
    )
    parser.add_argument("--only", choices=KINDS, action="append", help="may be given again")
    parser.add_argument(
        "--trace", type=Path, nargs="+", metavar="FILE", help="default: lte, nr, wifi"
    )
    parser.add_argument("--caps", type=_numbers, default=[1.2, 4.0], metavar="MBPS,...")
    parser.add_argument("--fps", type=_numbers, default=[15.0, 30.0], metavar="N,...")
    parser.add_argument(
        "--controllers", type=_controllers, default=list(CONTROLLERS), metavar="NAME,..."
    )
    parser.add_argument(
        "--grain", type=float, default=0.0, metavar="N", help="of the camera, of 255 (default 0)"
    )
    parser.add_argument(
        "--abreast",
        type=int,
        choices=range(1, 9),
        default=1,
        metavar="N",
        help="runs at a time (default 1)",
    )
    parser.add_argument(
        "--link", choices=("auto", "kernel", "tun"), default="auto", help="default auto"
    )
    parser.add_argument("--again", action="store_true", help="measure what --json has, too")
    parser.add_argument(
        "--frames", type=Path, metavar="DIR", help="write each run's frames and caps there"
    )
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="put the tables of all that --json has there"
    )


def _numbers(text: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: numbers with commas between") from None
    if not all(0.1 <= number <= 120.0 for number in numbers):
        raise argparse.ArgumentTypeError(f"{text!r}: each from 0.1 to 120")
    return numbers


def _controllers(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in CONTROLLERS]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r}: one of {', '.join(CONTROLLERS)}")
    return names


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when all was measured and no promise broken; 1 otherwise."""
    from analysis.bench.rate.browser_publisher import check_links  # noqa: PLC0415
    from analysis.bench.rate.measurement import cells_of, measure  # noqa: PLC0415

    report = BenchmarkReport(None, aiortc_versions())  # the store writes the file
    check_links()
    store = ResultStore(options.json)
    cells = list(cells_of(options, options.only or KINDS))
    asyncio.run(measure(cells, options, store))
    keys = [(cell, name) for cell, _ in cells for name in options.controllers]
    rows = store.chosen(keys)
    report.console.print(table(rows))
    if options.markdown:
        write_section(options.markdown, "bench rate", markdown(store.rows))
    status = report.finish(promise for row in rows for promise in promises(row, rows))
    if len(rows) < len(keys):
        raise MeasurementError(f"{len(keys) - len(rows)} of {len(keys)} runs were not measured")
    return status
