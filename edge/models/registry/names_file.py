"""The classes' names, in the order of their indices: of a .names file, or an ONNX file's own."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Sequence
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
    _check(path, lines, "line")
    return lines


def parse_names(path: Path, text: str) -> list[str]:
    """The names that an exporter left in an ONNX file: a mapping of class indices, or a list.

    ModelError for a text of another kind, with a gap, or with a name that is none.
    """
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if isinstance(found, dict) and sorted(found, key=str) == sorted(range(len(found)), key=str):
        found = [found[index] for index in range(len(found))]
    if not isinstance(found, list) or not found or not all(isinstance(x, str) for x in found):
        raise ModelError(
            f"{path}: its metadata `names` are no list of names: set `names` to a file with a line "
            "for each class"
        )
    _check(path, found, "metadata `names`, place")
    return found


def _check(path: Path, names: Sequence[str], place: str) -> None:
    """ModelError for a name that is none, or that stands twice; `place` is counted from 1."""
    for number, name in enumerate(names, start=1):
        if not name.isprintable() or not name or "," in name or len(name) > MAX_CHARS:
            shown = repr(name if len(name) <= 40 else name[:40] + "...")
            raise ModelError(
                f"{path}: {place} {number}: {shown}: a name has 1 to {MAX_CHARS} printable "
                "characters and no comma"
            )
    if twice := next((name for name, count in Counter(names).items() if count > 1), None):
        raise ModelError(f"{path}: the name {twice!r} stands twice: publishers choose by name")
