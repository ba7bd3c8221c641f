"""Shares of one link: two of our sessions, and one of them beside a greedy TCP flow.

Real Chromium in a network namespace, twice or beside a TCP sender with the kernel's own congestion
control, all through one link of 4 Mbit/s to this process. Needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from analysis.bench.fair.link_shares import LinkShare, markdown, promises, table
from analysis.bench.report import BenchmarkReport, aiortc_versions, write_section

QUEUES_BYTES = (256_000, 30_000)  # a radio link's, and a shallow one
CONTROLLERS = ("receiver", "transport-cc")
COMPANY = ("session", "tcp")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=40.0, metavar="N", help="default 40")
    parser.add_argument("--only", choices=COMPANY, action="append", help="may be given again")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the table there")
    parser.add_argument(
        "--controllers", choices=CONTROLLERS, nargs="+", default=list(CONTROLLERS[:1])
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when no flow starves, and equals share equally; 1 otherwise."""
    from analysis.bench.rate.browser_publisher import check_links  # noqa: PLC0415

    report = BenchmarkReport(options.json, aiortc_versions())
    check_links()
    shares = asyncio.run(_measure(options))
    report.console.print(table(shares))
    if options.markdown:
        write_section(options.markdown, "bench fair", markdown(shares))
    return report.finish(promises(shares), rows=shares)


async def _measure(options: argparse.Namespace) -> list[LinkShare]:
    from analysis.bench.fair.measurement import SharedLinkRun  # noqa: PLC0415

    shares: list[LinkShare] = []
    for company in options.only or COMPANY:
        for queue_bytes in QUEUES_BYTES if company == "tcp" else QUEUES_BYTES[:1]:
            for controller in options.controllers:
                print(f"{controller} and {company}, {queue_bytes / 1e3:.0f} kB", file=sys.stderr)
                run = SharedLinkRun(company, queue_bytes, controller, options.seconds)
                shares += await run.measure()
    return shares
