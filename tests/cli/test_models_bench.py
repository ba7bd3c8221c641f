"""What `edge models bench` measures of a model."""

from __future__ import annotations

from pathlib import Path

from edge.cli.models_bench import measure_model
from edge.models.registry.model_check import check_model
from edge.profile.model_settings import ModelSettings
from tests.models.registry.darknet_files import write_model


def test_each_input_has_its_time_and_the_memory_so_far(tmp_path: Path) -> None:
    cfg, weights, names = write_model(tmp_path)
    settings = ModelSettings(name="mine", cfg=cfg, weights=weights, names=names)
    found = list(measure_model(check_model(settings, [320, 64]), threads=1))
    assert [each.size for each in found] == [(64, 64), (320, 192)]
    for each in found:
        assert each.ms > 0.0
        assert each.resident_bytes > 50e6  # the interpreter with NumPy alone has more
