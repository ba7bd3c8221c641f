"""The project's own format (docs/formats/traces.md): `seconds<TAB>Mbit/s`, and optional columns.

A line a step: its start and its values, separated by tabs or blanks. `#` starts a comment, of
which three are read: `# columns: seconds mbps [delay_ms] [jitter_ms] [loss]` in any order,
`# duration_s: S` (or else the last step lasts the median step), and `# note: ...`, kept. Times
ascend strictly; if the first is not 0, all are shifted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from traces.formats.trace_text import TraceText, usual_step_ms
from traces.trace import Trace

COLUMNS = ("seconds", "mbps", "delay_ms", "jitter_ms", "loss")


def parse(text: TraceText) -> Trace:
    """Raises TraceError with the line."""
    columns: tuple[str, ...] = COLUMNS[:2]
    duration_ms: float | None = None
    notes: list[str] = []
    rows: list[list[float]] = []
    for number, line in text.lines:
        if line.startswith("#"):
            key, _, value = line.lstrip("# ").partition(":")
            if key == "columns":
                columns = tuple(value.split())
                if not {"seconds", "mbps"} <= set(columns) <= set(COLUMNS):
                    raise text.error(number, f"columns: {' '.join(COLUMNS)}, the first two needed")
                if len(set(columns)) < len(columns) or rows:
                    raise text.error(number, "columns: once each, before the first step")
            elif key == "duration_s":
                duration_ms = text.number(number, value.strip(), "duration_s") * 1000.0
            elif key == "note":
                notes.append(value.strip())
            continue
        words = line.partition("#")[0].split()
        if len(words) != len(columns):
            raise text.error(number, f"{len(words)} values, but columns {' '.join(columns)}")
        row = [
            text.bits(number, word, 1e6, name)
            if name == "mbps"
            else text.number(number, word, name)
            for name, word in zip(columns, words, strict=True)
        ]
        seconds = columns.index("seconds")
        if rows and row[seconds] <= rows[-1][seconds]:
            raise text.error(number, "times must ascend")
        if "loss" in columns and row[columns.index("loss")] > 1.0:
            raise text.error(number, "loss: a share, from 0 to 1")
        rows.append(row)
    if not rows:
        raise text.error(text.lines[-1][0], "no step in the file")
    series = dict(zip(columns, np.array(rows).T, strict=True))
    at_ms = np.round((series["seconds"] - series["seconds"][0]) * 1000.0, 6)
    if duration_ms is None:
        duration_ms = at_ms[-1] + usual_step_ms(at_ms)
    return Trace(
        at_ms,
        series["mbps"],
        duration_ms,
        series.get("delay_ms"),
        series.get("jitter_ms"),
        series.get("loss"),
        name=text.path.stem,
        notes=tuple(notes),
    )


def write(trace: Trace, path: Path | str) -> None:
    """Write a trace in this format; `parse` reads the same values (to 9 digits)."""
    extras = {"delay_ms": trace.delay_ms, "jitter_ms": trace.jitter_ms, "loss": trace.loss}
    series = {"seconds": trace.at_ms / 1e3, "mbps": trace.rate_bps / 1e6}
    series.update({key: values for key, values in extras.items() if values is not None})
    lines = [f"# note: {note}" for note in trace.notes]
    lines += [f"# duration_s: {trace.duration_ms / 1e3:.9g}", f"# columns: {' '.join(series)}"]
    lines += ["\t".join(f"{v:.9g}" for v in row) for row in zip(*series.values(), strict=True)]
    Path(path).write_text("\n".join(lines) + "\n")
