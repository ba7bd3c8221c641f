"""What a number format costs is judged only where the pictures suffice to tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from analysis.bench.detector import precision
from analysis.bench.detector.precision import compare_accuracy
from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.profile.variant import Variant

TRUE: list[Box] = [(0, 0.9, 0.1 * at, 0.1, 0.1 * at + 0.05, 0.4) for at in range(4)]


class MissingSome:
    """Finds four boxes in every picture, but at small inputs one less in each `every`th one."""

    network_name = "yolov4-tiny"

    def __init__(self, every: int | None = None) -> None:
        self._every, self._seen = every, 0

    def detect(self, pictures: Sequence[Picture], variant: Variant) -> list[list[Box]]:
        self._seen += 1
        misses = self._every and variant.long_side < 608 and self._seen % self._every == 0
        return [TRUE[1:] if misses else TRUE for _ in pictures]


@pytest.fixture(autouse=True)
def hundred_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures: list[Any] = [object()] * 100
    monkeypatch.setattr(precision, "_pictures", lambda path, most: list(pictures))
    monkeypatch.setattr("edge.assets.samples.street_video", lambda: "street")


@pytest.mark.parametrize(
    ("every", "videos", "kept"),
    [
        (None, 0, True),
        (50, 0, True),  # 0.25 points
        (15, 0, None),  # 0.8 points, and three or four more boxes may be chance
        (15, 9, False),  # as much over a thousand pictures is none
        (2, 0, False),
    ],
)
def test_a_loss_is_judged_by_its_interval(
    every: int | None, videos: int, kept: bool | None
) -> None:
    more: list[Any] = ["more"] * videos
    exact, reduced = MissingSome(), MissingSome(every)
    _, promise = compare_accuracy(exact, reduced, "bfloat16", more, quick=False)  # type: ignore[arg-type]
    assert promise.kept is kept, promise
