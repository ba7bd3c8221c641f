"""The fault matrix as a table: `python -m tests.faults`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from tests.faults import matrix


def main() -> int:
    """Runs each fault and prints a Markdown table; 1 if one affected others."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=matrix.__doc__)
    parser.parse_args()
    failed = False
    print("| fault | recovery | frames dropped | others' misses before | after |")
    print("| --- | --- | --- | --- | --- |")
    for name in matrix.MATRIX:
        reason = matrix.skip_reason(name)
        if reason is not None:
            print(f"{name}: left out: {reason}", file=sys.stderr)
            continue
        print(f"{name} ...", file=sys.stderr)
        for row in asyncio.run(matrix.run(name)):
            before, after = (
                f"{matrix.missed(outcomes)} of {outcomes.total()}"
                for outcomes in (row.before, row.after)
            )
            cells = (f"{row.fault}: {name}", f"{row.recovery_s:.1f} s", row.dropped, before, after)
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
            failed |= bool(row.caused)
    took_s, publishers = asyncio.run(matrix.run_termination())
    missed = sum(sum(each.stats().dropped.values()) + each.stats().late for each in publishers)
    print(f"| SIGTERM: two simulated devices | ended in {took_s:.1f} s | {missed} | | |")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
