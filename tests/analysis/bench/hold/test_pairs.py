"""The load held without and with tracks and feeds."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from analysis.bench.edge_server import simulated_device
from analysis.bench.hold import load, pairs
from analysis.bench.hold.pairs import FOLLOWED, PLAIN, HeldPair, measure, promises
from analysis.bench.report import all_kept


def held(kind: str, clients: int, *, read: int | None = None) -> HeldPair:
    read = clients if read is None else read
    sessions = read if kind == FOLLOWED else 0
    return HeldPair(kind, clients, "full", 1000, 1, sessions, 10 * sessions)


def test_as_many_publishers_with_tracks_and_feeds_is_the_promise() -> None:
    kept = [held(PLAIN, 30), held(FOLLOWED, 30), held(FOLLOWED, 29), held(PLAIN, 31)]
    assert all_kept(promises(kept))
    assert not all_kept(promises([held(PLAIN, 30), held(FOLLOWED, 28)]))


def test_a_session_that_nobody_read_breaks_it() -> None:
    assert not all_kept(promises([held(PLAIN, 3), held(FOLLOWED, 3, read=2)]))
    assert not all_kept(promises([held(PLAIN, 0), held(FOLLOWED, 0)]))


async def test_a_pair_is_measured_on_real_servers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pairs, "HOLD_S", 3.0)
    monkeypatch.setattr(load, "_STEP_S", 0.1)
    options = argparse.Namespace(pairs=1, most=2, clients=2, slo_ms=2000.0, ingest=1)
    found = await measure(options, simulated_device(tmp_path))
    assert [(each.kind, each.clients) for each in found] == [(PLAIN, 2), (FOLLOWED, 2)]
    assert found[0].read_results == 0
    assert found[1].read_sessions == 2
    assert found[1].read_results > 0
    for each in found:
        assert {"server", "ingest", "workers", "publishers"} <= each.cpu_ms.keys()
        assert sum(each.cpu_ms.values()) > 0.0
    assert ["readers" in each.cpu_ms for each in found] == [False, True]
    assert all_kept(promises(found))
