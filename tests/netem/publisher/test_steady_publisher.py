"""Receivers and steady publishers as processes, the way `bench ingest` runs them."""

from __future__ import annotations

import pytest

from analysis.bench.ingest import bare_c
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
        enough=lambda stage: False,
        say=lambda text: None,
    )
    assert [each.streams for each in stages] == counts
    for each in stages:
        assert each.sent >= 10 * each.streams
        assert each.decoded > 0.5 * each.sent
        assert each.cpu_ms > 0.0
        assert each.whole_ms["p50"] > 0.0
        if kind == "stock":  # a frame waits for the next one
            assert each.whole_ms["p50"] > each.completed_ms["p50"] + 40.0


def test_bare_c_decodes_every_frame_or_says_what_is_missing() -> None:
    cpu_ms, missing = bare_c.cpu_ms(416, 15, 1e6, rounds=1)
    assert (cpu_ms is None) == bool(missing)
    assert cpu_ms is None or 0.0 < cpu_ms < 100.0
