"""What a link did, as CSV: a line every tenth of a second and at each change of the rate."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

PERIOD_MS = 100.0


class LinkSample(NamedTuple):
    """The uplink at a time (this machine's monotonic clock): the rate in force, bytes that have
    passed and packets that were dropped by the full queue or lost since the start."""

    at_ms: float
    rate_bps: float
    passed_bytes: int
    backlog_bytes: int
    dropped: int
    lost: int


class LinkLog:
    """Writes samples to a file; without a path, nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("w", buffering=1) if path else None
        if self._file:
            self._file.write(",".join(LinkSample._fields) + "\n")

    def __bool__(self) -> bool:
        return self._file is not None

    def add(self, sample: LinkSample) -> None:
        """Writes a line."""
        if self._file:
            at_ms, rate_bps, *counts = sample
            self._file.write(
                ",".join([f"{at_ms:.3f}", f"{rate_bps:.0f}", *map(str, counts)]) + "\n"
            )

    def close(self) -> None:
        """No more lines."""
        if self._file:
            self._file.close()
