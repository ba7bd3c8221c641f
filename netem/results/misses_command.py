"""`python -m netem misses`: the missed frames of finished runs, by cause, the worst first."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from netem.results.misses import CAUSES, Episode, by_cause, episodes
from netem.results.rows import FrameRow, HintRow
from netem.results.run_folder import MANIFEST, ResultsError, RunFolder, finished

ABOUT = (
    "The missed frames of finished runs, grouped into episodes by cause: the frame that led to "
    "each, the link and its queue at that moment, the hints around it, and what followed."
)
EXIT_FAILED = 1


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="RUN", help="a run's folder, or a results folder: all its runs"
    )
    parser.add_argument(
        "--worst", type=int, default=20, metavar="N", help="episodes shown of each run (20)"
    )
    parser.add_argument(
        "--infeasible",
        action="store_true",
        help="count frames, too, for which the network alone took longer than the objective",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all episodes as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        runs = runs_in(options.folder)
        found = {each.path.name: _episodes(each, options.infeasible) for each in runs}
    except (ResultsError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_FAILED
    for name, each in found.items():
        print("\n".join(table(name, each)))
        for episode in each[: options.worst]:
            print("\n".join(details(episode)))
    if len(found) > 1:
        print("\n".join(table("all runs", [one for each in found.values() for one in each])))
    if options.json:
        rows = {name: [asdict(one) for one in each] for name, each in found.items()}
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    return 0


def runs_in(folder: Path) -> list[RunFolder]:
    """The run in that folder, or the finished ones of that results folder."""
    if (folder / MANIFEST).is_file():
        return [RunFolder(folder)]
    found = [*finished(folder)]
    if not found:
        raise ResultsError(
            f"{folder}: no finished run; a run's folder holds {MANIFEST}, a results folder runs/"
        )
    return found


def _episodes(run: RunFolder, infeasible: bool) -> list[Episode]:
    slo_ms = {row.client: row.slo_ms for row in run.sessions}
    by_client = [slo_ms.get(client, 0.0) for client in range(max(slo_ms, default=-1) + 1)]
    return episodes(run.frames, run.link, run.hints, by_client, infeasible=infeasible)


def table(name: str, found: Iterable[Episode]) -> list[str]:
    """A line a cause, with its share of the missed frames."""
    rows = by_cause(found)
    total = sum(count for _, _, count in rows)
    lines = [f"{name}: {total} frames missed"]
    for cause, episode_count, count in rows:
        share = f"{count / total:6.1%}"
        lines.append(f"  {share}  {cause:<16} {count:>5} in {episode_count:>4}: {CAUSES[cause]}")
    return lines


def details(episode: Episode) -> list[str]:
    """An episode in words: when, what led to it, the link, the hints, what followed."""
    leading, link = episode.leading, episode.link
    outcomes = ", ".join(f"{count} {name}" for name, count in episode.outcomes.most_common())
    lines = [
        f"  client {episode.client} at {episode.began_ms:.0f} ms, {episode.cause}: {outcomes} "
        f"in {episode.lasted_ms:.0f} ms",
        f"    frame at {leading.captured_ms:.0f} ms: {_size(leading, episode.usual_bytes)}",
    ]
    if link is not None:
        lines.append(
            f"    link {link.rate_bps / 1e6:.2f} Mbit/s (usually {link.usual_bps / 1e6:.2f}, "
            f"lowest {link.lowest_bps / 1e6:.2f}), queue {link.backlog_bytes} bytes = "
            f"{link.queue_ms:.0f} ms, packets dropped {link.dropped}, lost {link.lost}"
        )
    lines += [
        f"    hint at {hint.at_ms:.0f} ms: {hint.max_edge} px, {hint.fps:g}/s, "
        f"{hint.max_bps / 1e6:.2f} Mbit/s ({hint.reason})"
        for hint in _shown(episode.hints)
    ]
    return lines


def _shown(hints: Sequence[HintRow]) -> list[HintRow]:
    """The first and the last ones, where there are many."""
    return [*hints] if len(hints) <= 4 else [*hints[:2], *hints[-2:]]


def _size(row: FrameRow, usual_bytes: float | None) -> str:
    if row.bytes is None:
        return "not sent"
    kind = "key frame" if row.key else "frame"
    times = f", {row.bytes / usual_bytes:.1f} times the usual" if usual_bytes else ""
    legs = [
        f"{name} after {at - row.captured_ms:.0f} ms"
        for name, at in (
            ("sent", row.sent_ms),
            ("received", row.received_ms),
            ("answered", row.returned_ms),
        )
        if at is not None
    ]
    return f"{kind} of {row.bytes} bytes, {row.width}x{row.height}{times}; {', '.join(legs)}"
