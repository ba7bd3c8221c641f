"""The end of every benchmark: its promises judged, its figures as JSON and in documents."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

WIDTH = 150  # characters, where the output is no terminal


class MeasurementError(Exception):
    """A benchmark could not measure; the message says why."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A property that a benchmark tests; `kept` is None where this run cannot judge it."""

    name: str
    kept: bool | None
    found: str = ""

    @property
    def text(self) -> str:
        """The promise and what was found."""
        return f"{self.name} ({self.found})" if self.found else self.name

    def __str__(self) -> str:
        word = {True: "kept", False: "BROKEN", None: "not judged here"}[self.kept]
        return f"{word}: {self.text}"


def aiortc_versions() -> dict[str, str]:
    """The aiortc and aioice that are compared with. Raises MeasurementError for others than those
    that the server is built on."""
    from edge.rtc.transport import aiortc_adapter  # noqa: PLC0415  # slow to import

    try:
        aiortc_adapter.check()
    except aiortc_adapter.InternalsError as error:
        raise MeasurementError(str(error)) from error
    return aiortc_adapter.VERSIONS


def all_kept(promises: Iterable[Promise]) -> bool:
    """Whether none is broken."""
    return all(promise.kept is not False for promise in promises)


class BenchmarkReport:
    """A benchmark's output; made before the measurement, since it notes the machine's load.

    `versions` are those of the libraries compared, by name.
    """

    def __init__(self, json_file: Path | None, versions: dict[str, str] | None = None) -> None:
        self._json_file = json_file
        self._versions = versions or {}
        self._load_before = os.getloadavg()[0]
        self.console = Console()
        if not self.console.is_terminal:
            self.console = Console(width=WIDTH)

    def finish(self, promises: Iterable[Promise], **figures: Any) -> int:
        """Prints the promises, writes `figures` as JSON, and returns the exit status: 0 when no
        promise is broken, 1 otherwise."""
        promises = list(promises)
        self.console.print(
            f"load average before it began: {self._load_before:.1f}, {os.cpu_count()} processors"
        )
        for promise in promises:
            self.console.print(str(promise), soft_wrap=True, markup=False)
        kept = all_kept(promises)
        if self._json_file is not None:
            head = {
                "versions": self._versions,
                "kept": kept,
                "load_before": self._load_before,
                "promises": promises,
            }
            write_json(self._json_file, {**head, **figures})
        return 0 if kept else 1


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Replaces the file in one step, so that a reader never finds half of it. Dataclasses become
    objects."""
    beside = path.with_name(path.name + ".new")
    beside.write_text(json.dumps(values, indent=2, default=_plain) + "\n")
    beside.replace(path)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def write_section(path: Path, name: str, text: str) -> None:
    """Puts text between the lines `<!-- name -->` and `<!-- end -->` of a file; a file without
    them gets them at its end. Raises ValueError where the second line is missing."""
    before = path.read_text() if path.is_file() else ""
    begin, end = f"<!-- {name} -->\n", "<!-- end -->\n"
    head, found, rest = before.partition(begin)
    if found:
        _, ended, tail = rest.partition(end)
        if not ended:
            raise ValueError(f"{path}: no line {end.strip()} after {begin.strip()}")
    else:
        head, tail = before, ""
    path.write_text(f"{head}{begin}{text}{end}{tail}")


def markdown_table(head: str, lines: Iterable[Sequence[str]]) -> Iterator[str]:
    """Lines of a table in Markdown under its first line."""
    yield head
    yield "|" + " --- |" * (head.count("|") - 1)
    for line in lines:
        yield f"| {' | '.join(line)} |"
