"""Receivers and steady publishers as processes, the way `bench ingest` runs them.

Nothing is judged by how long it takes: only that the frames of every stage are found again.
"""

from __future__ import annotations

import pytest

from analysis.bench.ingest.processes import measure


@pytest.mark.parametrize(("kind", "counts"), [("ours", [1, 3]), ("stock", [2])])
async def test_frames_of_every_stage_are_found_again_in_the_receiver(
    kind: str, counts: list[int]
) -> None:
    stages = await measure(
        kind,
        counts,
        seconds=1.0,
        receivers=("0",),
        publishers=("0",),
        is_limit=lambda stage: False,
        progress=lambda text: None,
    )
    assert [each.streams for each in stages] == counts
    for each in stages:
        assert each.sent >= each.streams
        assert 0 < each.decoded <= each.sent
        assert each.cpu_ms > 0.0
        assert each.decoded_ms["p50"] > 0.0
