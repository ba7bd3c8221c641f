"""Ranges for int8: as narrow as the squared error wants, joint where maps are concatenated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from edge.models import calibrate, int8_ranges
from edge.models.calibrate import best_range
from edge.models.quantized import Range
from edge.models.yolov4 import Network


def error(values: torch.Tensor, ends: Range) -> float:
    scale, zero = ends.affine()
    found = torch.quantize_per_tensor(values, scale, zero, torch.quint8).dequantize()
    return float((found - values).square().mean())


def test_evenly_spread_values_keep_their_whole_range() -> None:
    ends = best_range(torch.linspace(-1, 3, 10_001))
    assert ends.low == pytest.approx(-1.0)
    assert ends.high == pytest.approx(3.0)


def test_rare_extremes_are_clipped_where_that_lowers_the_error() -> None:
    values = torch.cat((torch.linspace(-0.2, 1, 100_001), torch.tensor([2.0])))
    ends = best_range(values)
    assert 1.0 <= ends.high < 2.0
    assert error(values, ends) < error(values, Range(-0.2, 2.0))


def test_values_without_a_negative_one_have_a_range_from_zero() -> None:
    assert best_range(torch.linspace(0.5, 2, 1001)).low == 0.0


def test_the_written_file_fits_the_network_and_joins_concatenated_maps(
    random_tiny: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "tiny.int8.json"
    monkeypatch.setattr(calibrate, "path_of", lambda name: path)
    monkeypatch.setattr(calibrate, "load_network", lambda name: random_tiny)
    monkeypatch.setattr(calibrate, "_LONG_SIDES", (128,))
    calibrate.main()
    ranges = int8_ranges.load(path)
    assert ranges is not None
    assert ranges.fit(random_tiny)
    layers = ranges.layers
    assert layers["stages.1.first"].made == layers["stages.1.second"].made
    assert layers["stages.1.entry"].given is not None
    assert layers["coarse"].made is None  # int8 ends there
    assert not any(name.startswith(("stem", "down", "stages.0.")) for name in layers)
    assert json.loads(path.read_text())["made_by"] == "python -m edge.models.calibrate"
