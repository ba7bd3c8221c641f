"""What a number format costs: F1 of a detector in it and in float32, on the same pictures."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

from analysis.bench.detector.progress import progress
from analysis.bench.report import Promise
from edge.assets import samples
from edge.ipc.picture import Picture
from edge.models.boxes import F1, Box
from edge.models.runtime.detector import Detector
from edge.profile.variant import LONG_SIDES, Variant
from profiles.accuracy.bootstrap import f1_loss_interval

MAX_F1_LOSS = 0.005

_PICTURES = 300  # of a further video, evenly spread
_SIDES = (128, 224, 320, 416, 512)


def compare_accuracy(
    exact: Detector, reduced: Detector, precision: str, videos: Sequence[Path], *, quick: bool
) -> tuple[Table, Promise]:
    """F1 of each over the street video and `videos`, against the largest input in float32.

    The loss has a 95 % interval. A loss that is too large and whose interval reaches what is
    allowed is not judged: the pictures are too few to tell.
    """
    network = exact.network_name
    truth_variant = Variant(network, LONG_SIDES[-1])
    pictures = _pictures(samples.street_video(), None)
    for path in videos:
        pictures += _pictures(path, _PICTURES)
    if quick:
        pictures = pictures[::10]
    progress(f"{truth_variant.name}: {len(pictures)} pictures")
    truth = [exact.detect([picture], truth_variant)[0] for picture in pictures]
    title = f"F1 over {len(pictures)} pictures, against {truth_variant.name} in float32"
    table = Table("variant", "float32", precision, "lost", "95 %", title=title)
    table.add_column(f"{precision} against float32")
    worst = (-1.0, -1.0)  # lost, and at least
    for long_side in _SIDES:
        variant = Variant(network, long_side)
        progress(f"{variant.name}: {len(pictures)} pictures")
        precise, rough = (
            [each.detect([picture], variant)[0] for picture in pictures]
            for each in (exact, reduced)
        )
        in_exact, in_reduced = _counts(precise, truth), _counts(rough, truth)
        lost = _f1(in_exact) - _f1(in_reduced)
        low, high = f1_loss_interval(in_exact, in_reduced)
        worst = max(worst, (lost, low))
        table.add_row(
            variant.name,
            *(f"{value:.4f}" for value in (_f1(in_exact), _f1(in_reduced), lost)),
            f"{low:+.4f} to {high:+.4f}",
            f"{_f1(_counts(rough, precise)):.4f}",
        )
    lost, low = worst
    name = f"at most {100 * MAX_F1_LOSS} points of F1 lost in {precision} at each size"
    found = f"{100 * lost:+.2f} points, at least {100 * low:+.2f} (95 %)"
    if quick:  # a single one of so few boxes is a point of F1
        return table, Promise(name, None, f"{found} on too few pictures to judge")
    if lost > MAX_F1_LOSS >= low:
        return table, Promise(name, None, f"{found}: more pictures are needed (--video)")
    return table, Promise(name, lost <= MAX_F1_LOSS, found)


def _pictures(path: Path, most: int | None) -> list[Picture]:
    """All of a video's pictures, or `most`, evenly spread."""
    every = 1
    if most is not None:
        every = max(1, -(-sum(1 for _ in samples.pictures(path)) // most))
    frames = itertools.islice(samples.pictures(path), 0, None, every)
    return [Picture.from_av(frame) for frame in frames]


def _counts(found: Sequence[Sequence[Box]], truth: Sequence[Sequence[Box]]) -> list[F1]:
    counts = []
    for boxes, true in zip(found, truth, strict=True):
        count = F1()
        count.add(boxes, true)
        counts.append(count)
    return counts


def _f1(counts: Sequence[F1]) -> float:
    matched, found, truth = (
        sum(getattr(count, name) for count in counts) for name in ("matched", "found", "truth")
    )
    return F1(matched, found, truth).value
