"""The Irish 5G data set's CSV (Raca et al., "Beyond Throughput, the Next Generation", MMSys 2020).

`Timestamp` (2019.12.14_10.16.30, to the second) and `UL_bitrate` (kbit/s) are read. Rows of the
same second are averaged, rows without a rate (`-`) left out, and gaps over ten usual steps closed,
since nothing is known about them. Times that go back are refused.
"""

from __future__ import annotations

import csv
from datetime import datetime

import numpy as np

from traces.formats.trace_text import TraceText, close_gaps, usual_step_ms
from traces.trace import Trace

TIME, RATE = "Timestamp", "UL_bitrate"
TIME_FORMAT = "%Y.%m.%d_%H.%M.%S"


def parse(text: TraceText) -> Trace:
    """Raises TraceError with the line."""
    header_line, header = text.lines[0]
    names = [name.strip() for name in next(csv.reader([header]))]
    for name in (TIME, RATE):
        if name not in names:
            raise text.error(header_line, f"no column {name}")
    time_column, rate_column = names.index(TIME), names.index(RATE)
    seconds: dict[float, list[float]] = {}
    origin: datetime | None = None
    latest = 0.0
    absent = 0
    for number, line in text.lines[1:]:
        cells = next(csv.reader([line]))
        if len(cells) <= max(time_column, rate_column):
            raise text.error(number, f"{len(cells)} cells, but the header has {len(names)}")
        try:
            moment = datetime.strptime(cells[time_column].strip(), TIME_FORMAT)
        except ValueError:
            rule = f"{TIME}: {cells[time_column][:40]!r} is not like 2019.12.14_10.16.30"
            raise text.error(number, rule) from None
        origin = origin or moment
        at = (moment - origin).total_seconds()
        if at < latest:
            raise text.error(number, "times must not go back")
        latest = at
        if cells[rate_column].strip() in ("", "-"):
            absent += 1
            continue
        rate = text.bits(number, cells[rate_column], 1e3, RATE)
        seconds.setdefault(at, []).append(rate)
    if not seconds:
        raise text.error(header_line, f"no row with a {RATE}")
    at_ms = np.array(list(seconds)) * 1000.0
    at_ms, gaps = close_gaps(at_ms - at_ms[0])
    notes = [f"{gaps} gaps closed"] * bool(gaps) + [f"{absent} rows without a rate"] * bool(absent)
    return Trace(
        at_ms,
        np.array([np.mean(rates) for rates in seconds.values()]),
        float(at_ms[-1]) + usual_step_ms(at_ms),
        name=text.path.stem,
        notes=tuple(notes),
    )
