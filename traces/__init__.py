"""Link traces: how fast an uplink was over time. Readers, generators, the project's own."""

from pathlib import Path

from traces.formats import read, write
from traces.trace import Trace, TraceError, TraceStep, constant

__all__ = ["Trace", "TraceError", "TraceStep", "constant", "read", "shipped", "write"]

DATA = Path(__file__).parent / "data"


def shipped(name: str) -> Trace:
    """A trace that comes with the project, by its name: lte, nr, stepped or wifi."""
    path = DATA / f"{name}.tsv"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in DATA.glob("*.tsv")))
        raise TraceError(f"{name}: no such trace comes with the project; there are {names}")
    return read(path)
