"""Reads a .names file: the classes' names, a line each, in the order of the class index."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edge.models.cfg.cfg_sections import read_text
from edge.models.cfg.model_error import ModelError

MAX_CHARS = 64


def read_names(path: Path) -> list[str]:
    """The names; blank lines at the end do not count. ModelError for a line that is no name."""
    lines = [line.strip() for line in read_text(path, "a .names file").splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise ModelError(f"{path}: empty, not a .names file")
    for number, name in enumerate(lines, start=1):
        if not name.isprintable() or not name or "," in name or len(name) > MAX_CHARS:
            shown = repr(name if len(name) <= 40 else name[:40] + "...")
            raise ModelError(
                f"{path}: line {number}: {shown}: a name has 1 to {MAX_CHARS} printable characters "
                "and no comma"
            )
    if twice := next((name for name, count in Counter(lines).items() if count > 1), None):
        raise ModelError(f"{path}: the name {twice!r} stands twice: publishers choose by name")
    return lines
