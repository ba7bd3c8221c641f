"""The promises about speed are judged by the row that is worst for the detector."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.bench.detector.speed import promises, timed_in_turn


def row(batch: int, width: int = 416, **ratio: float) -> dict[str, Any]:
    ratios = {"plain": 4.0, "packed": 2.0, "opencv": 3.0, "onnxruntime": 2.0} | ratio
    return {"width": width, "height": 256, "batch": batch, "ratio": ratios}


@pytest.mark.parametrize(
    ("amx", "worst", "kept"),
    [
        (True, {}, [True, True, True, True]),
        (True, {"packed": 1.5}, [True, True, False, True]),
        (False, {"packed": 1.5}, [True, True, None, None]),
        (True, {"onnxruntime": 0.8}, [True, False, True, True]),
        (True, {"opencv": 0.95}, [True, True, True, True]),  # within the noise
        (True, {"plain": 0.1}, [False, False, True, True]),
    ],
)
def test_the_worst_row_decides(amx: bool, worst: dict[str, float], kept: list[bool | None]) -> None:
    made = promises([row(1), row(1, 224, **worst), row(8, packed=1.4)], "ours", amx)
    assert [each.kept for each in made] == kept


def test_the_place_is_named() -> None:
    _, slower, first, _ = promises([row(1), row(1, 608, opencv=0.5), row(8)], "ours", True)
    assert "0.50 times as fast (608x256, batch 1: OpenCV)" in slower.text
    assert "at least 2.00 times (416x256, batch 1), with AMX" in first.text


def test_what_follows_another_library_is_not_timed() -> None:
    order: list[str] = []
    seconds = timed_in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "a", "b", "b"] * 3
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}
