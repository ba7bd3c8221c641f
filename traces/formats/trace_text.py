"""A trace file's lines, with their numbers, and numbers from them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from traces.trace import MOST_BPS, Series, TraceError

MOST_BYTES = 64 * 2**20


@dataclass(frozen=True)
class TraceText:
    """The file's non-blank lines, stripped, each with its number from 1."""

    path: Path
    lines: tuple[tuple[int, str], ...]

    @classmethod
    def load(cls, path: Path) -> TraceText:
        """Raises TraceError for a file that is missing, empty, too large, or not text."""
        try:
            if path.stat().st_size > MOST_BYTES:
                raise TraceError(f"{path}: larger than {MOST_BYTES >> 20} MiB")
            content = path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise TraceError(f"{path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise TraceError(f"{path}: not a text file") from error
        lines = enumerate(map(str.strip, content.splitlines()), 1)
        kept = tuple((number, line) for number, line in lines if line)
        if not kept:
            raise TraceError(f"{path}: the file is empty")
        return cls(path, kept)

    def error(self, number: int, rule: str) -> TraceError:
        """A refusal that names the line."""
        return TraceError(f"{self.path}:{number}: {rule}")

    def number(self, line: int, word: str, what: str) -> float:
        """A finite number >= 0. Raises TraceError."""
        try:
            value = float(word)
        except ValueError:
            raise self.error(line, f"{what}: {word[:40]!r} is not a number") from None
        if not math.isfinite(value) or value < 0.0:
            raise self.error(line, f"{what}: {word[:40]} must be finite and not below 0")
        return value

    def bits(self, line: int, word: str, unit_bps: float, what: str) -> float:
        """A rate in bit/s, rounded to 1/1000: 0.1 Mbit/s is 100 kbit/s. Raises TraceError."""
        value = round(self.number(line, word, what) * unit_bps, 3)
        if value > MOST_BPS:
            raise self.error(line, f"{what}: {word[:40]} is over {MOST_BPS / 1e9:g} Gbit/s")
        return value


def usual_step_ms(at_ms: Series) -> float:
    """The median step, which is also the assumed length of the last; 1000 for a single value."""
    return float(np.median(np.diff(at_ms))) if len(at_ms) > 1 else 1000.0


def close_gaps(at_ms: Series) -> tuple[Series, int]:
    """The times with every step over 10 usual ones cut to a usual one, and the number of cuts.

    For logs: a pause in logging is neither an outage nor a continuation of the last value.
    """
    steps = np.diff(at_ms)
    usual = usual_step_ms(at_ms)
    gaps = steps > 10.0 * usual
    return np.concatenate([at_ms[:1], at_ms[0] + np.cumsum(np.where(gaps, usual, steps))]), int(
        gaps.sum()
    )
