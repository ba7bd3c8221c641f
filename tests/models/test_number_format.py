"""The number format: the fastest one that loses next to no accuracy, where it exists."""

from __future__ import annotations

import pytest
import torch

from edge.models import number_format
from edge.models.detector import Detector
from edge.models.yolov4 import Network

CPU = torch.device("cpu")


def test_other_weights_are_served_in_float32(
    random_tiny: Network, random_yolov4: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        number_format, "fastest", lambda can_int8: "int8" if can_int8 else "float32"
    )
    for name, network in (("yolov4-tiny", random_tiny), ("yolov4", random_yolov4)):
        assert Detector(name, network, precision="int8").precision == "float32"
        assert Detector(name, network).precision == "float32"


def test_int8_is_chosen_only_where_it_can_be_and_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_format, "can_quantize", lambda: True)
    monkeypatch.setattr(number_format, "has_bfloat16", lambda: True)
    times_ms = {"float32": 2.0}
    monkeypatch.setattr(
        number_format, "_measure_ms", lambda formats: {f: times_ms[f] for f in formats}
    )
    monkeypatch.setattr(number_format, "fastest", number_format.fastest.__wrapped__)
    for int8_ms, bfloat16_ms, expected in (
        (0.5, 1.0, "int8"),
        (0.9, 1.0, "bfloat16"),  # too little gained over bfloat16
        (0.9, 9.0, "int8"),
        (1.9, 1.9, "float32"),
    ):
        times_ms |= {"bfloat16": bfloat16_ms, "int8": int8_ms}
        assert number_format.choose("auto", CPU, has_ranges=True) == expected
        assert number_format.choose("auto", CPU, has_ranges=False) != "int8"
    assert number_format.choose("int8", CPU, has_ranges=True) == "int8"
    assert number_format.choose("int8", torch.device("cuda"), has_ranges=True) == "float32"
    assert number_format.choose("auto", torch.device("cuda"), has_ranges=True) == "float16"
    monkeypatch.setattr(number_format, "can_quantize", lambda: False)
    assert number_format.choose("int8", CPU, has_ranges=True) == "float32"
    assert number_format.choose("auto", CPU, has_ranges=True) == "float32"
