"""Each policy's settings of the server."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from edge.profile.accuracy_file import load_accuracy_profile
from netem.experiment.policies import PolicySettings, policy_settings
from netem.experiment.specification import Experiment

ROOT = Path(__file__).parents[3]
SIMULATED = """
name = "x"
device = ["sim:profiles/sim-rtx2080ti.json"]
network = "yolov4"
as_network = "yolov4-tiny"
[[traces]]
kind = "lte"
[[grids]]
traces = ["lte"]
clients = [2]
policies = ["ours", "data-only", "dnn-only", "fixed", "aiortc"]
"""
REAL = SIMULATED.replace(
    'device = ["sim:profiles/sim-rtx2080ti.json"]',
    'device = ["cpu"]\nfixed = { edge = 320, sent_edge = 256, sent_bps = 400_000 }',
)


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def settings(text: str) -> dict[str, PolicySettings]:
    experiment = Experiment.model_validate(tomllib.loads(text))
    accuracy = load_accuracy_profile(experiment.accuracy, as_network="yolov4-tiny")
    return {
        cell.policy: policy_settings(experiment, cell, (640, 272), accuracy)
        for cell in experiment.cells
    }


def test_of_a_family_ours_serves_with_all_networks_and_others_with_one() -> None:
    family = SIMULATED.replace('network = "yolov4"', 'network = "yolov4-tiny"\nfamily = ["yolov4"]')
    more = family.replace('"aiortc"]', '"aiortc", "first-network", "last-network"]')
    of = settings(more)
    alone = {name: each.networks for name, each in of.items() if name != "ours"}
    assert alone.pop("last-network") == ("yolov4",)
    assert set(alone.values()) == {("yolov4-tiny",)}
    assert of["ours"].networks == ("yolov4-tiny", "yolov4")
    for policy in ("first-network", "last-network"):
        assert of[policy].long_sides == of["ours"].long_sides
        assert of[policy].sent_long_side is None


def test_each_policy_fixes_what_its_name_says() -> None:
    of = settings(SIMULATED)
    assert {name: each.sent_long_side is not None for name, each in of.items()} == {
        "ours": False, "data-only": False, "dnn-only": True, "fixed": True, "aiortc": True,
    }  # fmt: skip
    assert {name: len(each.long_sides) for name, each in of.items()} == {
        "ours": 16, "data-only": 1, "dnn-only": 16, "fixed": 1, "aiortc": 1,
    }  # fmt: skip
    assert of["fixed"] == of["aiortc"]
    assert of["dnn-only"].sent_long_side == 608


def test_real_devices_use_the_fixed_values_of_the_file() -> None:
    of = settings(REAL)
    networks = ("yolov4",)
    assert of["fixed"] == of["aiortc"] == PolicySettings(networks, (320,), 256, 400_000)
    assert of["data-only"] == PolicySettings(networks, (320,))
    assert of["dnn-only"].sent_long_side == 608
