"""Link traces: an uplink's rate over time. Readers, generators, shipped traces."""

from pathlib import Path

from traces.formats import read, write
from traces.trace import Trace, TraceError, TraceStep, constant

__all__ = ["Trace", "TraceError", "TraceStep", "constant", "read", "shipped", "write"]

DATA = Path(__file__).parent / "data"


def shipped(name: str) -> Trace:
    """A trace that is shipped with the project, by name: lte, nr, stepped or wifi."""
    path = DATA / f"{name}.tsv"
    if not path.is_file():
        names = ", ".join(sorted(p.stem for p in DATA.glob("*.tsv")))
        raise TraceError(f"{name}: no such shipped trace; there are {names}")
    return read(path)
