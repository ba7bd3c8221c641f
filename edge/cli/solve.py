"""`python -m edge solve`: a scheduling problem on standard input, a plan on standard output."""

from __future__ import annotations

import argparse
import json
import sys
import time

from edge.scheduling.problem import Problem, ProblemError
from edge.scheduling.solvers import prepare, solve
from edge.scheduling.solvers.exact import CyclesError


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 when solved, 1 when it is too large for `exact`, 2 when malformed."""
    try:
        problem = Problem.parse(json.load(sys.stdin))
    except (ValueError, RecursionError) as error:
        message = str(error) if isinstance(error, ProblemError) else f"problem: not JSON: {error}"
        print(f"error: {message}", file=sys.stderr)
        return 2
    prepare(options.algorithm)
    start = time.perf_counter()
    try:
        plan = solve(problem, options.algorithm, options.rule)
    except CyclesError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    solve_ms = (time.perf_counter() - start) * 1e3
    print(json.dumps({**plan.to_json(), "solve_ms": round(solve_ms, 3)}))
    return 0
