"""The generators: what they are fitted to, same seed same trace, and the files shipped."""

from pathlib import Path

import numpy as np
import pytest

from traces import DATA, Trace, TraceError, read, shipped
from traces.__main__ import main
from traces.generate import KINDS, lte, nr, stepped, wifi

HOUR = 3600.0


def correlation_over_a_second(trace: Trace) -> float:
    logs = np.log(np.maximum(trace.rate_bps / 1e6, 0.05))
    steps = round(1000.0 / trace.at_ms[1])
    return float(np.corrcoef(logs[:-steps], logs[steps:])[0, 1])


def variation(trace: Trace) -> float:
    return float(trace.rate_bps.std() / trace.rate_bps.mean())


@pytest.mark.parametrize("seed", [1, 2])
def test_lte_is_as_published(seed: int) -> None:
    trace = lte(seed, HOUR)
    assert trace.quantile_bps(0.5)[0] / 1e6 == pytest.approx(6.0, rel=0.1)
    assert 0.6 <= variation(trace) <= 1.2
    assert 0.3 <= correlation_over_a_second(trace) <= 0.7
    assert 0.005 <= trace.share_below(1e5) <= 0.14
    moved = trace.rate_bps[10:] - trace.rate_bps[:-10]
    assert moved.std() / 1e6 == pytest.approx(2.4, rel=0.2)


@pytest.mark.parametrize("seed", [1, 2])
def test_nr_is_as_published(seed: int) -> None:
    trace = nr(seed, HOUR)
    median, p95 = (rate / 1e6 for rate in trace.quantile_bps(0.5, 0.95))
    assert 38.0 <= median <= 61.0
    assert 100.0 <= p95 <= 115.0
    assert 0.55 <= variation(trace) <= 0.85
    assert 0.0 < trace.share_below(1e5) <= 0.25


@pytest.mark.parametrize("seed", [1, 2])
def test_wifi_waits_as_published(seed: int) -> None:
    trace = wifi(seed, HOUR)
    starts_ms = np.random.default_rng(seed).uniform(0.0, trace.duration_ms, 5000)
    waits_ms = [trace.finish_ms(t, 12_000 * 8) - t for t in starts_ms]
    median, p90, p99 = np.quantile(waits_ms, [0.5, 0.9, 0.99])
    assert 2.0 <= median <= 8.0
    assert 14.0 <= p90 <= 28.0
    assert 170.0 <= p99 <= 370.0


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_same_seed_same_trace(kind: str) -> None:
    one, again, longer = (KINDS[kind](5, seconds) for seconds in (20.0, 20.0, 30.0))
    np.testing.assert_array_equal(one.rate_bps, again.rate_bps)
    np.testing.assert_array_equal(one.rate_bps, longer.rate_bps[: len(one.rate_bps)])
    if kind != "stepped":
        assert not np.array_equal(KINDS[kind](6, 20.0).rate_bps, one.rate_bps)


def test_stepped_is_the_papers() -> None:
    trace = stepped()
    rates = [trace.rate_at(t * 1000.0) / 1e6 for t in range(10, 150, 20)]
    assert rates == [20.0, 15.0, 10.0, 7.5, 10.0, 15.0, 20.0]
    assert trace.duration_ms == 140_000.0


@pytest.mark.parametrize("path", sorted(DATA.glob("*.tsv")), ids=lambda path: path.stem)
def test_shipped_files_are_what_their_recipe_makes(path: Path, tmp_path: Path) -> None:
    recipe = next(n for n in read(path).notes if n.startswith("python -m traces "))
    arguments = recipe.split()[3:]
    assert main([*arguments, str(tmp_path / "again.tsv")]) == 0
    assert (tmp_path / "again.tsv").read_bytes() == path.read_bytes()


def test_shipped_by_name() -> None:
    assert shipped("lte").name == "lte"
    with pytest.raises(TraceError, match="there are lte, nr, stepped, wifi"):
        shipped("adsl")


@pytest.mark.parametrize(("seed", "seconds"), [(-1, 10.0), (0, 0.0), (0, 1e9)])
def test_refused(seed: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="the seed must be"):
        lte(seed, seconds)
