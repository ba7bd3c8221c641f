"""The reference's boxes are detected once a frame, and cached."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from edge.models.boxes import Box
from netem.footage import references
from netem.footage.camera_file import Footage

BOX: Box = (2, 0.5, 0.1, 0.2, 0.3, 0.4)


def footage(*sources: int) -> Footage:
    fake: Any = SimpleNamespace(key="abc", sources=sources, video=Path("clip.mp4"))
    return cast(Footage, fake)


def test_only_frames_that_the_cache_lacks_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[set[int]] = []
    reported: list[str] = []

    def detect(_: Footage, sources: set[int]) -> dict[int, list[Box]]:
        asked.append(sources)
        return {source: [BOX] * source for source in sources}

    monkeypatch.setenv("EDGE_CACHE", str(tmp_path))
    monkeypatch.setattr(references, "_detect", detect)
    first = references.truth_of(footage(1, 2), reported.append)
    assert dict(first) == {1: [BOX], 2: [BOX, BOX]}
    assert dict(references.truth_of(footage(2, 1), reported.append)) == dict(first)
    assert len(references.truth_of(footage(2, 3), reported.append)[3]) == 3
    assert asked == [{1, 2}, {3}]
    assert ["2 frames" in reported[0], "1 frames" in reported[1], len(reported)] == [True, True, 2]
