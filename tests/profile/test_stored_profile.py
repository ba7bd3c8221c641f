"""A profile from beforehand is used only on the machine, and with the software, it tells of."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from edge import startup
from edge.config import Settings
from edge.profile.host import describe_machine, file_stem, package_versions, processor_name
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import save_latency_profile
from edge.profile.stored_profile import (
    RUNTIME_PACKAGES,
    find_stored_profile,
    simulated_profile_path,
)


def save(folder: Path, **changes: Any) -> None:
    given = {
        "device": processor_name(),
        "machine": describe_machine(),
        "versions": package_versions(*RUNTIME_PACKAGES),
        **changes,
    }
    entries = [LatencyEntry("yolov4-tiny-320", 320, 192, 1, 10.0, 12.0)]
    save_latency_profile(
        LatencyProfile(entries, **given), folder / f"{file_stem(processor_name())}.json"
    )


def test_this_machines_own_is_found(tmp_path: Path) -> None:
    assert find_stored_profile("yolov4-tiny", tmp_path) is None
    save(tmp_path)
    found = find_stored_profile("yolov4-tiny", tmp_path)
    assert found is not None
    assert found.latency_ms("yolov4-tiny-320", (320, 192), 1) == 12.0


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"machine": "Z80, 1 cores, CP/M z80"}, "measured on Z80"),
        ({"versions": {"torch": "0.4"}}, "measured with PyTorch 0.4"),
        (
            {"versions": {**package_versions("torch"), "openvino": "2018.1"}},
            "measured with OpenVINO 2018.1",
        ),
    ],
)
def test_anothers_is_not_used_and_the_log_says_so(
    changes: dict[str, Any], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, **changes)
    with caplog.at_level(logging.INFO):
        assert find_stored_profile("yolov4-tiny", tmp_path) is None
    assert why in caplog.text


def test_a_profile_of_another_network_is_not_used(tmp_path: Path) -> None:
    save(tmp_path)
    assert find_stored_profile("yolov4", tmp_path) is None


@pytest.mark.parametrize(
    ("settings", "is_searched"),
    [
        ({}, True),
        ({"threads": 1}, False),
        ({"runtime": "torch"}, False),
        ({"precision": "float32"}, False),
        ({"device": ["cpu", "cpu"]}, False),
        ({"device": ["cuda:0"]}, False),
        ({"weights": Path("others.weights")}, False),
    ],
)
def test_another_use_of_the_device_is_another_measurement(
    settings: dict[str, Any], is_searched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = LatencyProfile([LatencyEntry("yolov4-tiny-320", 320, 192, 1, 10.0, 12.0)])
    monkeypatch.setattr(startup, "find_stored_profile", lambda network: stored)
    found = startup.load_profiles(Settings(**settings))
    assert found == ([stored] if is_searched else None)


def test_a_simulated_device_is_named_by_a_path_or_by_a_shipped_profile(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_text("{}")
    assert simulated_profile_path(str(mine)) == mine
    shipped = simulated_profile_path("sim-rtx2080ti")
    assert shipped.name == "sim-rtx2080ti.json"
    assert simulated_profile_path("sim-rtx2080ti.json") == shipped
    with pytest.raises(ValueError, match=r"sim:none.json: no such file; .*sim-rtx2080ti"):
        simulated_profile_path("none.json")
