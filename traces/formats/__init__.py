"""Trace files: which format a file is in, reading it, and writing our own.

Rules for all formats: zeros are outages and are kept; values that are not numbers, are negative or
exceed 100 Gbit/s are refused; times must ascend; an empty file is refused. Each format's module
adds its own. All refusals are TraceErrors naming file, line and rule.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from traces.formats import alphartc, irish, jellyfish, mahimahi, nuwins, plain
from traces.formats.plain import write
from traces.formats.trace_text import TraceText
from traces.trace import Trace, TraceError

__all__ = ["FORMATS", "detect", "read", "write"]

FORMATS: dict[str, Callable[..., Trace]] = {
    "alphartc": alphartc.parse,
    "irish": irish.parse,
    "jellyfish": jellyfish.parse,
    "mahimahi": mahimahi.parse,
    "nuwins": nuwins.parse,
    "plain": plain.parse,
}


def read(path: Path | str, format: str | None = None, **options: float) -> Trace:
    """A trace from a file, in the format named (a key of FORMATS) or the one found by `detect`.

    Options are the format's own: bin_ms (mahimahi), step_ms (jellyfish), clip (alphartc), run and
    leg (nuwins). Raises TraceError, also for an option that the format does not have.
    """
    text = TraceText.load(Path(path))
    format = format or detect(text)
    if format not in FORMATS:
        raise TraceError(f"{format}: unknown trace format; there are {', '.join(FORMATS)}")
    parse = FORMATS[format]
    known = set(parse.__kwdefaults__ or {})
    for option in options:
        if option not in known:
            raise TraceError(
                f"{text.path}: format {format} has no option {option}"
                + (f"; it has {', '.join(sorted(known))}" if known else "")
            )
    return parse(text, **options)


def detect(text: TraceText) -> str:
    """The name of the format, from the file's name or else from its first lines."""
    first = text.lines[0][1]
    if text.path.suffix in (".up", ".down"):
        return "mahimahi"
    if first.startswith(("{", "[")):
        return "alphartc"
    if first.startswith("###"):
        return "nuwins"
    if "UL_bitrate" in first and "," in first:
        return "irish"
    data = [line for _, line in text.lines if not line.startswith("#")]
    if data and len(data[0].split()) > 1:
        return "plain"
    if len(data) >= 100 and all(line.isdigit() for line in data):
        stamps = [int(line) for line in data]
        if stamps == sorted(stamps):
            return "mahimahi"
    return "jellyfish"
