"""Traces as a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib.pyplot as plt

from traces import shipped
from traces.plot import draw


def test_each_trace_has_its_row_and_no_figure_stays_open(tmp_path: Path) -> None:
    heights = []
    for names in (["lte"], ["lte", "stepped", "wifi"]):
        path = tmp_path / f"{len(names)}.png"
        draw([shipped(name) for name in names], path)
        picture = cv2.imread(str(path))
        assert picture is not None
        heights.append(picture.shape[0])
    assert heights[1] - heights[0] == 2 * 2 * 110  # two more rows of two inches
    assert plt.get_fignums() == []
