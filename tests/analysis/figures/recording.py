"""A small results folder, written through the contract, with numbers that tests know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from netem.results.rows import (
    IN_TIME,
    OUTCOMES,
    FrameRow,
    HintRow,
    LinkRow,
    Manifest,
    OutcomeCounts,
    PlanRow,
    RunRow,
    SessionRow,
)
from netem.results.run_folder import (
    FRAMES,
    HINTS,
    LINK,
    MANIFEST,
    PLANS,
    RUNS,
    SESSIONS,
    SUMMARY,
    RunFolder,
    write,
    write_json,
)

FPS, SLO_MS = 10.0, 100.0
LEG_MS = {
    "encode": 4.0, "network": 20.0, "decode": 1.0, "queue": 2.0, "inference": 9.0, "back": 5.0,
}  # fmt: skip


def frame(client: int, number: int, **changes: Any) -> FrameRow:
    """Captured every tenth of a second, answered after 41 ms; frame 0 came before the run."""
    at_ms = 1000.0 * (number - 1) / FPS
    times = [at_ms]
    for leg_ms in LEG_MS.values():
        times.append(times[-1] + leg_ms)
    made = FrameRow(
        client=client, session=f"s{client}", source=number, rtp=9000 * number, captured_ms=at_ms,
        sent_ms=times[1], received_ms=times[2], decoded_ms=times[3], dispatched_ms=times[4],
        inferred_ms=times[5], returned_ms=times[6], width=320, height=180, bytes=2500,
        key=number == 0, variant="yolov4-tiny-320", batch=1, outcome=IN_TIME, infeasible=False,
        measured=number > 0, truth=4, found=3, matched=3, f1_simulated=0.6,
    )  # fmt: skip
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def unanswered(client: int, number: int, outcome: str, **changes: Any) -> FrameRow:
    """One that ended otherwise."""
    return frame(
        client, number, outcome=outcome, returned_ms=None, inferred_ms=None, dispatched_ms=None,
        variant="", batch=None, found=0, matched=0, f1_simulated=0.0, **changes,
    )  # fmt: skip


def run_of(
    folder: Path, frames: Sequence[FrameRow], name: str = "one", **changes: Any
) -> RunFolder:
    """Writes a finished run of these frames; its summaries are counted here."""
    path = folder / RUNS / name
    path.mkdir(parents=True)
    clients = sorted({each.client for each in frames})
    write(path / FRAMES, FrameRow, frames)
    sessions = [
        SessionRow(
            **blank(SessionRow)
            | counts_of([f for f in frames if f.client == client])
            | {"client": client}
        )
        for client in clients
    ]
    write(path / SESSIONS, SessionRow, sessions)
    write(path / PLANS, PlanRow, [])
    write(
        path / HINTS, HintRow,
        [HintRow(0.0, c, 1, 320, FPS, 400_000, "yolov4-tiny-320", "plan") for c in clients],
    )  # fmt: skip
    rates_bps = [1e6] * 10 + [5e5] * 10  # halved after a second
    write(
        path / LINK, LinkRow,
        [
            LinkRow(100.0 * place, client, bps, 0, 0, 0, 0)
            for place, bps in enumerate(rates_bps)
            for client in clients
        ],
    )  # fmt: skip
    asked: dict[str, Any] = {
        "run": name, "experiment": "small", "policy": "ours", "kind": "light", "trace": "lte",
        "clients": len(clients), "fps": FPS, "slo_ms": SLO_MS, "delay_ms": 20.0,
    }  # fmt: skip
    write_json(path / SUMMARY, RunRow(**blank(RunRow) | counts_of(frames) | asked | changes))
    write_json(
        path / MANIFEST,
        Manifest(
            run=name, key="", command="", commit="", machine="", versions={}, seeds={},
            origin_ms=0.0, began="", took_s=2.0, asked={},
        ),
    )  # fmt: skip
    return RunFolder(path)


def blank(kind: type) -> dict[str, Any]:
    """Nothing in every field."""
    nothing = {"int": 0, "float": 0.0, "str": "", "bool": False}
    return {field.name: nothing.get(str(field.type)) for field in fields(kind)}


def counts_of(frames: Sequence[FrameRow]) -> dict[str, Any]:
    measured = [each for each in frames if each.measured]
    ends = Counter(each.outcome for each in measured)
    infeasible = sum(each.infeasible for each in measured)
    feasible = len(measured) - infeasible - ends["paced"]
    counts = blank(OutcomeCounts)
    counts |= {outcome: ends[outcome] for outcome in OUTCOMES}
    counts |= {
        "captured": len(measured),
        "infeasible": infeasible,
        "miss_rate": (feasible - ends[IN_TIME]) / max(1, feasible),
        "infeasible_share": infeasible / max(1, len(measured)),
        "f1": 0.75 * ends[IN_TIME] / max(1, len(measured)),
        "p50_ms": 41.0 if ends[IN_TIME] else None,
    }
    return counts
