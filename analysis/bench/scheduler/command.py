"""The scheduler against Jellyfish's and against the optimum, on problems like its paper's.

Rule `single`: for each size, the accuracy of sa-dp and of auto relative to the optimum where HiGHS
proves one, and the times that they take in turn. Rule `shared`: the accuracy that it gains over
`single` on few GPUs with mixed SLOs and links. Times are of one thread.
"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quick", action="store_true", help="fewer problems")
    parser.add_argument(
        "--problems", type=int, metavar="N", help="of each size; default 20, or 3 if quick"
    )
    parser.add_argument(
        "--exact-s", type=float, default=30.0, metavar="S", help="time for a proof, default 30"
    )


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when every promise was kept, 1 otherwise."""
    from analysis.bench.scheduler import comparison  # noqa: PLC0415  # the solvers load only where they run

    return comparison.run(options)
