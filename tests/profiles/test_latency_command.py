"""`python -m profiles latency`, whole, on a simulated device."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.profile.host import file_stem
from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import load_latency_profile, save_latency_profile
from edge.profile.variant import Variant
from profiles.__main__ import main


@pytest.fixture
def device(tmp_path: Path) -> str:
    """A simulated one whose batch of n takes n ms."""
    path = tmp_path / "device.json"
    size = Variant("yolov4-tiny", 608).input_size(16, 9)
    entries = [LatencyEntry("yolov4-tiny-608", *size, n, float(n), 1.1 * n) for n in (1, 2)]
    save_latency_profile(LatencyProfile(entries, device="imagined"), path)
    return f"sim:{path}"


Measure = Callable[..., int]


@pytest.fixture
def latency(device: str, tmp_path: Path) -> Measure:
    def measure(*arguments: str) -> int:
        given = ["latency", "--device", device, "--out", str(tmp_path / "out.json"), "--quick"]
        return main([*given, *arguments])

    return measure


def test_it_writes_a_profile_of_what_the_worker_took(latency: Measure, tmp_path: Path) -> None:
    assert latency("--variants", "yolov4-tiny-608", "--batches", "1,2") == 0
    profile = load_latency_profile(tmp_path / "out.json")
    assert [(e.width, e.height, e.batch) for e in profile.entries] == [
        (608, 352, 1),
        (608, 352, 2),
    ]
    one, two = profile.entries
    assert one.p50_ms >= 1.0
    assert two.p50_ms >= 2.0
    assert profile.command.startswith("python -m profiles latency --device sim:")
    assert {"python", "torch"} <= set(profile.versions)
    assert "core" in profile.machine
    assert not (tmp_path / "out.json.part").exists()


def test_it_adds_what_is_missing_and_leaves_what_is_there(latency: Measure, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    assert latency("--variants", "yolov4-tiny-608", "--batches", "1") == 0
    data = json.loads(out.read_text())
    data["entries"][0].update(p50_ms=77.0, p99_ms=88.0)
    out.write_text(json.dumps(data))
    assert latency("--variants", "yolov4-tiny-608", "--batches", "1,2") == 0
    profile = load_latency_profile(out)
    assert profile.command.count("python -m profiles latency") == 2  # both made it
    one, two = profile.entries
    assert (one.p50_ms, one.p99_ms) == (77.0, 88.0)
    assert two.batch == 2
    assert latency("--variants", "yolov4-tiny-608", "--batches", "1", "--again") == 0
    assert load_latency_profile(out).entries[0].p50_ms < 77


def test_it_goes_on_where_it_was_stopped(latency: Measure, tmp_path: Path) -> None:
    key = {"variant": "yolov4-tiny-608", "width": 608, "height": 352, "batch": 1}
    line = json.dumps({**key, "samples_ms": [55.0]})
    (tmp_path / "out.json.part").write_text(2 * (line + "\n"))  # both rounds of --quick
    assert latency("--variants", "yolov4-tiny-608", "--batches", "1") == 0
    assert load_latency_profile(tmp_path / "out.json").entries[0].p50_ms == 55.0


def test_another_device_s_file_is_not_mixed_with(
    latency: Measure, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_latency_profile(
        LatencyProfile([LatencyEntry("yolov4-tiny-608", 608, 352, 1, 1, 1)], device="other"),
        tmp_path / "out.json",
    )
    assert latency("--variants", "yolov4-tiny-608") == 1
    assert "measured on other" in capsys.readouterr().err


def test_a_device_that_cannot_start_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = tmp_path / "none.json"
    assert main(["latency", "--device", f"sim:{missing}", "--out", str(tmp_path / "o")]) == 1
    assert "none.json" in capsys.readouterr().err


def test_variants_must_be_the_network_s(
    latency: Measure, capsys: pytest.CaptureFixture[str]
) -> None:
    assert latency("--variants", "yolov4-608") == 2
    assert "yolov4-608 is not a variant of yolov4-tiny" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Intel(R) Xeon(R) Processor", "intel-xeon-processor"),
        ("Intel(R) Core(TM) i7-8650U CPU @ 1.90GHz", "intel-core-i7-8650u-cpu"),
        ("NVIDIA H100 80GB HBM3", "nvidia-h100-80gb-hbm3"),
        ("???", "device"),
    ],
)
def test_files_are_called_by_the_device(name: str, file: str) -> None:
    assert file_stem(name) == file
