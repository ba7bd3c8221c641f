"""The results folder of an experiment: its files, written and read.

DIR/experiment.toml          the experiment as requested
DIR/runs.csv                 a line a finished run (RunRow)
DIR/runs/NAME/frames.csv     a line a captured frame (FrameRow)
              sessions.csv   a line a client (SessionRow)
              plans.csv      a line a session and plan (PlanRow)
              hints.csv      the hints, as clients received them (HintRow)
              link.csv       the state of each client's uplink over time (LinkRow)
              summary.json   the run as one RunRow
              manifest.json  how it was made (Manifest); a folder with it is a finished run
              server.log     the server's log
"""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from netem.results.csv_values import TableError, rows_of, text_of
from netem.results.rows import FrameRow, HintRow, LinkRow, Manifest, PlanRow, RunRow, SessionRow

RUNS, RUN_ROWS, SPEC = "runs", "runs.csv", "experiment.toml"
FRAMES, SESSIONS, PLANS = "frames.csv", "sessions.csv", "plans.csv"
HINTS, LINK, SUMMARY, MANIFEST = "hints.csv", "link.csv", "summary.json", "manifest.json"
SERVER_LOG = "server.log"


class ResultsError(Exception):
    """Results that cannot be read; the message names file, line and column."""


Row = TypeVar("Row")


def columns(kind: type) -> tuple[str, ...]:
    """A table's columns, in order."""
    return tuple(each.name for each in dataclasses.fields(kind))


def write(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """A table as CSV: floats to six digits or a thousandth, booleans 0 or 1, None empty."""
    names = columns(kind)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([text_of(getattr(row, name)) for name in names] for row in rows)


def read(path: Path, kind: type[Row]) -> list[Row]:
    """A table's rows; raises ResultsError, and OSError as open does."""
    with path.open(newline="") as file:
        try:
            return rows_of(csv.DictReader(file), kind)
        except TableError as error:
            raise ResultsError(f"{path}{error}") from error


def write_json(path: Path, value: Any) -> None:
    """A dataclass as JSON, whole or not at all."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(json.dumps(dataclasses.asdict(value), indent=2) + "\n")
    partial.replace(path)


def read_json(path: Path, kind: type[Row]) -> Row:
    """A dataclass from its JSON; raises ResultsError, and OSError as open does."""
    try:
        return kind(**json.loads(path.read_text()))
    except (TypeError, ValueError) as error:
        raise ResultsError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A finished run on disk."""

    path: Path

    @property
    def manifest(self) -> Manifest:
        return read_json(self.path / MANIFEST, Manifest)

    @property
    def summary(self) -> RunRow:
        return read_json(self.path / SUMMARY, RunRow)

    @property
    def frames(self) -> list[FrameRow]:
        return read(self.path / FRAMES, FrameRow)

    @property
    def sessions(self) -> list[SessionRow]:
        return read(self.path / SESSIONS, SessionRow)

    @property
    def plans(self) -> list[PlanRow]:
        return read(self.path / PLANS, PlanRow)

    @property
    def hints(self) -> list[HintRow]:
        return read(self.path / HINTS, HintRow)

    @property
    def link(self) -> list[LinkRow]:
        return read(self.path / LINK, LinkRow)


def finished(folder: Path) -> Iterator[RunFolder]:
    """The finished runs of a results folder, by name."""
    for path in sorted((folder / RUNS).glob("*")):
        if (path / MANIFEST).is_file():
            yield RunFolder(path)
