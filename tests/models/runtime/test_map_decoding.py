"""Without PyTorch maps become the candidates that they become with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from edge.models.decode import decode
from edge.models.heads import Head
from edge.models.runtime.map_decoding import CANDIDATES, decode_maps
from edge.models.yolov4 import YoloV4, YoloV4Tiny


def _maps(heads: tuple[Head, ...], classes: int, spread: float) -> list[npt.NDArray[np.float32]]:
    rng = np.random.default_rng(7)
    return [
        rng.normal(
            -1.0, spread, (2, 3 * (5 + classes), 352 // head.stride, 608 // head.stride)
        ).astype(np.float32)
        for head in heads
    ]


@pytest.mark.parametrize("least_score", [0.0, 0.01, 0.25, 0.9])
@pytest.mark.parametrize("heads", [YoloV4Tiny.heads, YoloV4.heads])
def test_they_are_those_of_pytorch(heads: tuple[Head, ...], least_score: float) -> None:
    maps = _maps(heads, 7, 2.0)
    expected = decode(tuple(torch.from_numpy(each) for each in maps), heads).numpy()
    for found, rows in zip(decode_maps(maps, heads, least_score), expected, strict=True):
        strong = rows[rows[:, 0] >= least_score]
        assert len(found) == len(strong)
        assert len(strong) in range(1, CANDIDATES + 1)
        np.testing.assert_allclose(found, strong, rtol=1e-4, atol=1e-3)


def test_maps_that_hold_sigmoids_already_are_decoded_alike() -> None:
    heads = tuple(replace(head, activated=True) for head in YoloV4.heads)
    maps = [np.float32(1) / (np.float32(1) + np.exp(-each)) for each in _maps(heads, 2, 1.0)]
    expected = decode(tuple(torch.from_numpy(each) for each in maps), heads).numpy()
    for found, rows in zip(decode_maps(maps, heads, 0.3), expected, strict=True):
        strong = rows[rows[:, 0] >= 0.3]
        assert len(found) == len(strong) > 0
        np.testing.assert_allclose(found, strong, rtol=1e-4, atol=1e-3)


def test_nothing_is_found_where_nothing_is_and_nan_is_nothing() -> None:
    maps = _maps(YoloV4Tiny.heads, 7, 0.1)
    for each in maps:
        each[0] = np.nan
    nothing, some = decode_maps(maps, YoloV4Tiny.heads, 0.05)
    assert nothing.shape == (0, 6)
    assert len(some)
    assert [len(each) for each in decode_maps(maps, YoloV4Tiny.heads, 0.99)] == [0, 0]


def test_extreme_numbers_neither_overflow_nor_warn() -> None:
    (head,) = YoloV4Tiny.heads[:1]
    raw = np.zeros((1, 18, 1, 2), dtype=np.float32)
    raw[0, :, 0, 0], raw[0, :, 0, 1] = 1000.0, -1000.0
    with np.errstate(over="raise", invalid="raise"):
        (found,) = decode_maps([raw], [head], 0.0)
    assert np.isfinite(found).all()
    assert found[0, 0] == 1.0
