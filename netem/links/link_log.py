"""A link's state over time, as CSV: a line every tenth of a second."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PERIOD_MS = 100.0


class LinkSample(NamedTuple):
    """The uplink at one time (monotonic ms): rate in force, backlog, and the bytes passed, packets
    dropped by the full queue and packets lost since the start."""

    at_ms: float
    rate_bps: float
    passed_bytes: int
    backlog_bytes: int
    dropped: int
    lost: int


class LinkLog:
    """Writes samples to a file; false, and without effect, without a path."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("w", buffering=1) if path else None
        if self._file:
            self._file.write(",".join(LinkSample._fields) + "\n")

    def __bool__(self) -> bool:
        return self._file is not None

    def add(self, sample: LinkSample) -> None:
        """Write a line."""
        if self._file:
            at_ms, rate_bps, *counts = sample
            self._file.write(
                ",".join([f"{at_ms:.3f}", f"{rate_bps:.0f}", *map(str, counts)]) + "\n"
            )

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
