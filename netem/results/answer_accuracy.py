"""The accuracy of answers: against the reference's boxes on real devices, and as
`edge.profile.accuracy` predicts it from the sent picture (*simulated accuracy*) on all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from edge.models.boxes import Box, match
from edge.profile.accuracy import AccuracyProfile
from netem.footage.references import CONFIDENCE, Truth
from netem.results.client_record import ClientRecord
from netem.results.rows import IN_TIME, FrameRow

RATE_MS = 1_000.0  # window of the mean bits a frame, so that a key frame counts as its share


def judge(
    record: ClientRecord,
    truth: Truth,
    class_numbers: Mapping[str, int],
    *,
    detects: bool,
    accuracy: AccuracyProfile,
    fps: float,
) -> None:
    """Fills in a client's rows: `truth`, `found`, `matched`, `f1_simulated`.

    A frame without an answer in time detects nothing. `detects`: the devices are real.
    """
    rows = [row for row, _ in record.frames]
    bits = _bits_a_frame(rows)
    for row, boxes in record.frames:
        true = truth[row.source]
        row.truth = len(true)
        row.f1_simulated = 0.0
        counts = row.outcome == IN_TIME
        if detects:
            found = _counted(boxes, class_numbers) if counts else []
            row.found, row.matched = len(found), len(match(found, true))
        if counts and row.width and row.height and row.rtp in bits:
            row.f1_simulated = accuracy.f1(
                row.variant,
                max(row.width, row.height),
                bits[row.rtp] * fps,
                fps,
                pixels=row.width * row.height,
            )


def f1_of(rows: Iterable[FrameRow]) -> float | None:
    """F1 over many frames: 2 x matched / (found + true); None on simulated devices."""
    matched = total = 0
    for row in rows:
        if row.found is None or row.matched is None:
            return None
        matched += row.matched
        total += row.found + row.truth
    return 2 * matched / total if total else 1.0


def _counted(boxes: Sequence[Sequence[Any]], class_numbers: Mapping[str, int]) -> list[Box]:
    return [
        (class_numbers[name], score, x1, y1, x2, y2)
        for name, score, x1, y1, x2, y2 in boxes
        if score >= CONFIDENCE
    ]


def _bits_a_frame(rows: Sequence[FrameRow]) -> dict[int, float]:
    """By RTP time: mean bits of the frames of one size sent within the last second."""
    recent: dict[tuple[int, int], list[tuple[float, int]]] = defaultdict(list)
    means: dict[int, float] = {}
    for row in rows:
        if row.rtp is None or row.bytes is None or row.width is None or row.height is None:
            continue
        window = recent[row.width, row.height]
        window.append((row.captured_ms, 8 * row.bytes))
        while window[0][0] < row.captured_ms - RATE_MS:
            window.pop(0)
        means[row.rtp] = sum(bits for _, bits in window) / len(window)
    return means
