from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.profile.variant import Variant


@pytest.fixture
def simulated(tmp_path: Path) -> Callable[[float], str]:
    """Makes the name of a simulated device whose batches of one take so many ms."""

    def make(p50_ms: float, p99_ms: float | None = None) -> str:
        path = tmp_path / f"profile-{p50_ms}.json"
        entries = []
        for long_side in (128, 416, 608):
            width, height = Variant("yolov4-tiny", long_side).input_size(16, 9)
            entries.append(
                {
                    "variant": f"yolov4-tiny-{long_side}",
                    "width": width,
                    "height": height,
                    "batch": 1,
                    "p50_ms": p50_ms,
                    "p99_ms": p99_ms or p50_ms,
                }
            )
        path.write_text(
            json.dumps(
                {
                    "device": "imagined",
                    "machine": "none",
                    "versions": {},
                    "command": "none",
                    "entries": entries,
                }
            )
        )
        return f"sim:{path}"

    return make
