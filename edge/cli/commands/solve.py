"""`edge solve`: a scheduling problem on standard input, a plan on standard output."""

from __future__ import annotations

import argparse
import json
import sys
import time

from edge.cli import EXIT_USAGE, fail
from edge.cli.extras import lab_extra


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = "A scheduling problem (JSON) on standard input, a plan on standard output."
    parser = commands.add_parser("solve", help="solve a scheduling problem", description=about)
    parser.add_argument(
        "--algorithm", choices=("auto", "sa-dp", "exact"), default="auto", help="default auto"
    )
    parser.add_argument(
        "--rule", choices=("shared", "single"), default="shared", help="default shared"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when solved, 1 when it is too large for `exact`, 2 when malformed."""
    from edge.scheduling.problem import CyclesError, Problem, ProblemError  # noqa: PLC0415
    from edge.scheduling.solvers import prepare, solve  # noqa: PLC0415

    try:
        problem = Problem.parse(json.load(sys.stdin))
    except ProblemError as error:
        return fail(str(error), EXIT_USAGE)
    except (ValueError, RecursionError) as error:
        return fail(f"problem: not JSON: {error}", EXIT_USAGE)
    with lab_extra(f"edge solve --algorithm {options.algorithm}"):
        prepare(options.algorithm)
    start = time.perf_counter()
    try:
        plan = solve(problem, options.algorithm, options.rule)
    except CyclesError as error:
        return fail(str(error))
    solve_ms = (time.perf_counter() - start) * 1e3
    print(json.dumps({**plan.to_json(), "solve_ms": round(solve_ms, 3)}))
    return 0
