"""Files to draw: runs, simulations and benchmarks found in folders, and the measured profiles."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.simulator import results as simulated
from netem.results.rows import RunRow
from netem.results.run_folder import RUNS, RunFolder, finished

PROJECT = Path(__file__).parents[2]
PROFILES = PROJECT / "profiles"
RECORDED = PROJECT / "tests" / "data"  # small results, the same everywhere
_MAX_DEPTH = 3  # folders below the one that was named


class SourceError(ValueError):
    """A path without anything to draw; the message names it."""


@dataclass(slots=True)
class Sources:
    """Finished runs, CSV files of the simulator, and JSON files of the scheduler's benchmark."""

    runs: list[RunFolder] = field(default_factory=list)
    simulated: list[Path] = field(default_factory=list)
    benches: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.runs or self.simulated or self.benches)


def find(paths: Iterable[Path]) -> Sources:
    """Everything to draw at the paths, in folders up to three deep. Raises SourceError for a path
    without any, or that does not exist."""
    found = Sources()
    for path in paths:
        before = (len(found.runs), len(found.simulated), len(found.benches))
        if path.is_dir():
            _search(path, found, _MAX_DEPTH)
        elif path.is_file():
            _file(path, found)
        else:
            raise SourceError(f"{path}: no such file or folder")
        if before == (len(found.runs), len(found.simulated), len(found.benches)):
            raise SourceError(
                f"{path}: no finished run (runs/NAME/manifest.json), no CSV of the simulator, no "
                "JSON of `analysis bench scheduler`"
            )
    return found


def notebook_sources() -> Sources:
    """The contents of the folder that the environment's RESULTS names; by default the small results
    recorded for the tests."""
    return find([Path(os.environ.get("RESULTS", RECORDED))])


def representative_runs(summaries: Sequence[RunRow]) -> Iterator[int]:
    """The run to draw in detail for each experiment, device and link, by its index in `summaries`:
    of our policy, with the most clients, at the middle objective."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for index, row in enumerate(summaries):
        groups.setdefault(_setting(row), []).append(index)
    for indices in groups.values():
        objectives = sorted({summaries[index].slo_ms for index in indices})
        middle = objectives[(len(objectives) - 1) // 2]

        def rank(index: int, middle: float = middle) -> tuple[bool, int, bool, float, int]:
            row = summaries[index]
            is_middle = row.slo_ms == middle
            return row.policy == "ours", row.clients, is_middle, -row.fps, -row.repetition

        yield max(indices, key=rank)


def rivals_of(index: int, summaries: Sequence[RunRow]) -> list[int]:
    """Indices of the other policies' runs in the same cell that have measured frames."""
    own = summaries[index]
    return [
        other
        for other, row in enumerate(summaries)
        if _cell(row) == _cell(own) and row.policy != own.policy and row.captured
    ]


def _setting(row: RunRow) -> tuple[object, ...]:
    return row.experiment, row.kind, row.device, row.trace, row.delay_ms


def _cell(row: RunRow) -> tuple[object, ...]:
    return (*_setting(row), row.clients, row.fps, row.slo_ms, row.video, row.repetition)


def _search(folder: Path, found: Sources, depth: int) -> None:
    found.runs += finished(folder)
    for path in sorted(folder.iterdir()):
        if path.is_file():
            _file(path, found)
        elif depth and path.is_dir() and path.name != RUNS and not path.name.startswith("."):
            _search(path, found, depth - 1)


def _file(path: Path, found: Sources) -> None:
    if path.suffix == ".csv":
        with path.open(errors="replace") as file:
            if file.readline().strip() == ",".join(simulated.COLUMNS):
                found.simulated.append(path)
    elif path.suffix == ".json" and _is_bench(path):
        found.benches.append(path)


def _is_bench(path: Path) -> bool:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return isinstance(data, dict) and {"single", "shared", "promises"} <= set(data)
