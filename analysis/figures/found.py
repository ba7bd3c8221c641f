"""What there is to draw: results in a folder, by what they look like, and the measured profiles."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from analysis.simulator import results as simulated
from netem.results.rows import RunRow
from netem.results.run_folder import RUNS, RunFolder, finished

PROJECT = Path(__file__).parents[2]
PROFILES = PROJECT / "profiles"
_DEEPEST = 3  # folders below the one that was named


class FoundError(ValueError):
    """A path that nothing can be drawn from; the message names it."""


@dataclass(slots=True)
class Found:
    """Finished runs, the simulator's CSVs, and the scheduler benchmark's JSONs."""

    runs: list[RunFolder] = field(default_factory=list)
    simulated: list[Path] = field(default_factory=list)
    benches: list[Path] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.runs or self.simulated or self.benches)


def find(paths: Iterable[Path]) -> Found:
    """All that the paths hold, in folders up to three deep; raises FoundError for a path that holds
    nothing, or isn't there."""
    found = Found()
    for path in paths:
        before = (len(found.runs), len(found.simulated), len(found.benches))
        if path.is_dir():
            _search(path, found, _DEEPEST)
        elif path.is_file():
            _file(path, found)
        else:
            raise FoundError(f"{path}: no such file or folder")
        if before == (len(found.runs), len(found.simulated), len(found.benches)):
            raise FoundError(
                f"{path}: no finished run (runs/NAME/manifest.json), no simulator's CSV, no JSON "
                "of `analysis bench scheduler`"
            )
    return found


def telling(summaries: Sequence[RunRow]) -> Iterator[int]:
    """Which runs to look into, a place in `summaries` for each experiment, device and link: ours,
    with the most clients, at the middle objective."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for place, row in enumerate(summaries):
        groups.setdefault(_setting(row), []).append(place)
    for places in groups.values():
        objectives = sorted({summaries[place].slo_ms for place in places})
        middle = objectives[(len(objectives) - 1) // 2]

        def worth(place: int, middle: float = middle) -> tuple[bool, int, bool, float, int]:
            row = summaries[place]
            is_middle = row.slo_ms == middle
            return row.policy == "ours", row.clients, is_middle, -row.fps, -row.repetition

        yield max(places, key=worth)


def rivals_of(place: int, summaries: Sequence[RunRow]) -> list[int]:
    """The runs of other policies in the same cell with measured frames."""
    own = summaries[place]
    return [
        other
        for other, row in enumerate(summaries)
        if _cell(row) == _cell(own) and row.policy != own.policy and row.captured
    ]


def _setting(row: RunRow) -> tuple[object, ...]:
    return row.experiment, row.kind, row.device, row.trace, row.delay_ms


def _cell(row: RunRow) -> tuple[object, ...]:
    return (*_setting(row), row.clients, row.fps, row.slo_ms, row.video, row.repetition)


def _search(folder: Path, found: Found, depth: int) -> None:
    found.runs += finished(folder)
    for path in sorted(folder.iterdir()):
        if path.is_file():
            _file(path, found)
        elif depth and path.is_dir() and path.name != RUNS and not path.name.startswith("."):
            _search(path, found, depth - 1)


def _file(path: Path, found: Found) -> None:
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
