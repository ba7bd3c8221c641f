"""PyTorch's number format: the fastest one that loses next to no accuracy, where it exists."""

from __future__ import annotations

import pytest
import torch

from edge.models.runtime import number_format
from edge.models.runtime.number_format import choose
from edge.profile.variant import NumberFormat

CPU = torch.device("cpu")


def test_bfloat16_is_chosen_only_where_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_format, "fastest", number_format.fastest.__wrapped__)
    times_ms = {"float32": 2.0}
    monkeypatch.setattr(
        number_format, "_measure_ms", lambda formats: {f: times_ms[f] for f in formats}
    )
    for instructions, bfloat16_ms, expected in (
        (True, 1.0, "bfloat16"),
        (True, 1.9, "float32"),  # too little gained
        (False, 1.0, "float32"),
    ):
        monkeypatch.setattr(number_format, "has_bfloat16", lambda found=instructions: found)
        times_ms["bfloat16"] = bfloat16_ms
        assert choose("auto", CPU) == expected
    assert choose("bfloat16", CPU) == "bfloat16"
    assert choose("auto", torch.device("cuda")) == "float16"


def test_each_format_is_timed() -> None:
    formats: tuple[NumberFormat, ...] = ("float32", "bfloat16")
    times_ms = number_format._measure_ms(formats)
    assert set(times_ms) == set(formats)
    assert all(ms > 0 for ms in times_ms.values())
