"""Summaries of frames: of a client, and of a run."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from itertools import pairwise
from statistics import fmean
from typing import Any

from netem.results.answer_accuracy import f1_of
from netem.results.rows import ENCODER, IN_TIME, LATE, OUTCOMES, PACED, FrameRow
from traces import Trace

_LEGS = ("encode", "network", "server", "back")
_SENDER_SHARE = 0.5  # of the objective: the sender is to blame if encoding took more


def counts(
    rows: Sequence[FrameRow], slo_ms: Sequence[float], links: Sequence[Trace], seconds: float
) -> dict[str, Any]:
    """The fields of `OutcomeCounts`, from the measured rows of clients.

    `slo_ms` is indexed by the client's number in the run; `links` are the traces of the clients
    that `rows` belong to.
    """
    measured = [row for row in rows if row.measured]
    captured = len(measured)
    ends = collections.Counter(row.outcome for row in measured)
    infeasible = sum(row.infeasible for row in measured if row.outcome != IN_TIME)
    misses = sum(row.outcome not in (IN_TIME, PACED) and not row.infeasible for row in measured)
    feasible = ends[IN_TIME] + misses
    latencies = sorted(
        row.returned_ms - row.captured_ms for row in measured if row.returned_ms is not None
    )
    legs = {name: sorted(values) for name, values in _legs(measured).items()}
    clients = len({row.client for row in rows}) or 1
    sent_bits = sum(8 * row.bytes for row in measured if row.bytes is not None)
    by_client = [
        [row for row in measured if row.client == number]
        for number in sorted({row.client for row in measured})
    ]
    return {
        "captured": captured,
        **{name: ends[name] for name in OUTCOMES},
        "infeasible": infeasible,
        "miss_rate": round(misses / feasible, 6) if feasible else 0.0,
        "infeasible_share": round(infeasible / max(1, captured), 6),
        "in_time_share": round(ends[IN_TIME] / max(1, captured), 6),
        "sender_share": round(
            sum(_by_sender(row, slo_ms[row.client]) for row in measured) / max(1, captured), 6
        ),
        "f1": _rounded(f1_of(measured), 5),
        "f1_simulated": round(fmean(r.f1_simulated for r in measured) if measured else 0.0, 5),
        **{f"p{p}_ms": _quantile(latencies, p) for p in (50, 90, 99)},
        **{f"{leg}_p{p}_ms": _quantile(legs[leg], p) for p in (50, 99) for leg in _LEGS},
        "sent_mbps": round(sent_bits / clients / seconds / 1e6, 4),
        "link_mbps": round(
            fmean(link.capacity_bits(0.0, 1000.0 * seconds) for link in links) / seconds / 1e6, 4
        ),
        "size_changes": sum(_changes(each, "height") for each in by_client),
        "variant_changes": sum(_changes(each, "variant") for each in by_client),
    }


def _by_sender(row: FrameRow, slo_ms: float) -> bool:
    if row.outcome == ENCODER:
        return True
    slow = row.sent_ms is not None and row.sent_ms - row.captured_ms > _SENDER_SHARE * slo_ms
    return row.outcome == LATE and slow


def _legs(rows: Iterable[FrameRow]) -> dict[str, list[float]]:
    legs: dict[str, list[float]] = {name: [] for name in _LEGS}
    for row in rows:
        times = row.captured_ms, row.sent_ms, row.received_ms, row.inferred_ms, row.returned_ms
        if None in times:
            continue
        for name, (begin, end) in zip(_LEGS, pairwise(times), strict=True):
            legs[name].append((end or 0.0) - (begin or 0.0))
    return legs


def _changes(rows: Sequence[FrameRow], column: str) -> int:
    values = [getattr(row, column) for row in sorted(rows, key=lambda row: row.captured_ms)]
    return sum(one != other for one, other in pairwise([v for v in values if v]))


def _quantile(ordered: Sequence[float], percent: int) -> float | None:
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, percent * len(ordered) // 100)], 2)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
