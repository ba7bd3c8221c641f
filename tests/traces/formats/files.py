"""Trace files for tests, and how a bad one is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from traces import TraceError, read


def file(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


def check_refused(folder: Path, name: str, content: str, where: str, rule: str) -> None:
    """Reading the file raises a TraceError that names the file, the place and the rule."""
    with pytest.raises(TraceError) as refusal:
        read(file(folder, name, content))
    assert str(refusal.value).startswith(str(folder))
    assert where in str(refusal.value)
    assert rule in str(refusal.value)
