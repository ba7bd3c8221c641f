"""The fault matrix as a table: `python -m tests.faults`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.faults import matrix
from tests.faults.restart import RESTARTS, Restart

_HEAD = ("fault", "promised", "recovery", "frames dropped", "others' misses before", "after")


def main() -> int:
    """Runs each fault and prints a Markdown table; 1 if one broke its promise, or was left out."""
    names = [*matrix.MATRIX, *(each.name for each in RESTARTS)]
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=matrix.__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="WORDS", help="stages whose name contains WORDS"
    )
    only = parser.parse_args().only
    chosen = [name for name in names if not only or any(words in name for words in only)]
    if not chosen:
        parser.error(f"--only: there are {', '.join(names)}")
    _print(_HEAD)
    _print(["---"] * len(_HEAD))
    broken = 0
    for number, name in enumerate(chosen, start=1):
        print(f"{number} of {len(chosen)}: {name} ...", file=sys.stderr, flush=True)
        for line in _run(name):
            broken += 1
            print(f"broken: {line}", file=sys.stderr, flush=True)
    return int(broken > 0)


def _run(name: str) -> list[str]:
    """Prints the rows of a stage or a restart; the broken promises."""
    reason = matrix.skip_reason(name)
    if reason is not None:
        return [f"{name}: left out: {reason}"]
    try:
        if name in matrix.MATRIX:
            return _stage(name)
        return _restart(next(each for each in RESTARTS if each.name == name))
    except Exception as error:  # the other faults are still of interest
        return [f"{name}: {''.join(traceback.format_exception(error)[-2:])}"]


def _print(cells: Sequence[object]) -> None:
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def _stage(name: str) -> list[str]:
    broken = []
    for row in asyncio.run(matrix.run(name)):
        before, after = (
            f"{matrix.missed(outcomes)} of {outcomes.total()}"
            for outcomes in (row.before, row.after)
        )
        noticed = f" (noticed in {row.noticed_s:.1f} s)" if row.noticed_s is not None else ""
        promised, recovery = "nothing to recover from", "none was needed"
        if row.promise_s is not None:
            promised, recovery = f"{row.promise_s:g} s", f"{row.recovery_s:.1f} s{noticed}"
        _print((f"{row.fault}: {name}", promised, recovery, row.dropped, before, after))
        broken += [f"{row.fault}: {name}: {each}" for each in row.broken]
    return broken


def _restart(fault: Restart) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="edge-faults-") as folder:
        took_s, note = asyncio.run(fault.run(Path(folder)))
    _print((fault.name, f"{fault.promise_s:g} s", f"{took_s:.1f} s ({note})", "", "", ""))
    if took_s <= fault.promise_s:
        return []
    return [f"{fault.name}: took {took_s:.1f} s, not {fault.promise_s:g} s"]


if __name__ == "__main__":
    sys.exit(main())
