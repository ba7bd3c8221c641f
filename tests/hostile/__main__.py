"""The hostile-peer suite: `python -m tests.hostile`.

Each attack runs against a real server on loopback that serves two honest publishers; the table
shows its cost to others. `--server DIR` attacks another checkout, with the same attackers.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.hostile.attacks.catalogue import ATTACKS
from tests.hostile.measurement import Row, scene


def main() -> int:
    """Exit status: 0, or 1 if an attack broke a bound."""
    options = _parser().parse_args()
    names = [attack.name for attack in ATTACKS]
    unknown = set(options.only) - set(names)
    if unknown:
        print(f"no such attack: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
        return 2
    rows: list[Row] = []
    try:
        asyncio.run(_run(options, rows))
        complete = True
    except asyncio.CancelledError:  # by SIGINT or SIGTERM
        complete = False
    finally:
        _write(options, rows)
    print(table(rows))
    return int(not complete or any(row.broken for row in rows))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these attacks")
    parser.add_argument("--server", type=Path, default=Path.cwd(), metavar="DIR", help="a checkout")
    parser.add_argument("--descriptors", type=int, metavar="N", help="the server's limit")
    parser.add_argument(
        "--memory-s", type=float, default=60.0, metavar="S", help="until memory is compared (60)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument(
        "--before", type=Path, metavar="FILE", help="an earlier --json, as columns of the table"
    )
    return parser


async def _run(options: argparse.Namespace, rows: list[Row]) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with scene(options.server.resolve(), options.descriptors, options.memory_s) as at:
        for attack in ATTACKS:
            if options.only and attack.name not in options.only:
                continue
            print(f"{attack.name} ...", file=sys.stderr, flush=True)
            row = await at.row(attack)
            rows.append(row)
            print(_line(_cells(row)), f" {', '.join(row.broken)}", file=sys.stderr, flush=True)


def _write(options: argparse.Namespace, rows: Sequence[Row]) -> None:
    if options.json is not None:
        options.json.write_text(json.dumps([dataclasses.asdict(row) for row in rows]) + "\n")
    if options.markdown is not None:
        before = []
        if options.before is not None:
            before = [Row(**fields) for fields in json.loads(options.before.read_text())]
        options.markdown.write_text(table(rows, before) + "\n")


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


_HEAD = ("others' misses, points more", "slowest `/healthz`", "offender", "memory", "log lines")


def _cells(row: Row) -> list[str]:
    lost = f", {row.others_lost} of 2 ended" if row.others_lost else ""
    ended = f"{row.outcome} in {row.ended_s:.1f} s" if row.ended_s is not None else row.outcome
    return [
        row.name,
        f"{row.misses_during - row.misses_before:+.1f}{lost}",
        "none" if row.stuck else f"{row.health_ms:,.0f} ms",
        ended + (f"; newcomer: {row.newcomer}" if row.newcomer else ""),
        f"{row.more_memory:+.0f} %",
        f"{row.log_lines:,}",
    ]


def table(rows: Sequence[Row], before: Sequence[Row] = ()) -> str:
    """In Markdown; an earlier run's rows as the columns on the left."""
    earlier = {row.name: _cells(row) for row in before}
    if not before:
        head = ["attack", *_HEAD, "bounds broken"]
        lines = [[row.text, *_cells(row)[1:], ", ".join(row.broken) or "none"] for row in rows]
    else:
        columns = _HEAD[:3]
        head = ["attack", *(f"before: {name}" for name in columns), *_HEAD]
        absent = ["?"] * 6
        lines = [[row.text, *earlier.get(row.name, absent)[1:4], *_cells(row)[1:]] for row in rows]
    return "\n".join(map(_line, [head, ["---"] * len(head), *lines]))


if __name__ == "__main__":
    sys.exit(main())
