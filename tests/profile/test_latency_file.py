"""Latency profiles as files: written and read back, mistakes named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.profile.latency import LatencyEntry, LatencyProfile
from edge.profile.latency_file import ProfileError, load_latency_profile, save_latency_profile

REPO = Path(__file__).parents[2]
S416 = (416, 416)


def square(long_side: int, batch: int, ms: float) -> LatencyEntry:
    return LatencyEntry(f"yolov4-tiny-{long_side}", long_side, long_side, batch, ms, ms)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    profile = LatencyProfile(
        [square(416, 1, 20.5), square(416, 8, 99.25)],
        device="cpu",
        machine="somewhere",
        versions={"torch": "2"},
        command="python -m profiles latency",
        max_batch=8,
    )
    path = tmp_path / "p.json"
    save_latency_profile(profile, path)
    again = load_latency_profile(path)
    assert again.entries == profile.entries
    assert (again.device, again.machine, again.versions, again.command, again.max_batch) == (
        "cpu", "somewhere", {"torch": "2"}, "python -m profiles latency", 8,
    )  # fmt: skip
    assert len(path.read_text().splitlines()) < 15  # one entry a line


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "object"),
        ("{}", "entries"),
        ('{"entries": []}', "entries"),
        ('{"entries": [{"variant": "yolov4-416"}]}', r"entries\[0\].*width"),
        ('{"entries": [3]}', r"entries\[0\]"),
        ('{"entries": [{"variant": "resnet_50", "width": 1, "height": 1, "batch": 1, '
         '"p50_ms": 1, "p99_ms": 1}]}', "resnet_50"),
        ('{"entries": [{"variant": "yolov4-416", "width": 416, "height": 416, "batch": 1, '
         '"p50_ms": 2, "p99_ms": 1}]}', "p50_ms <= p99_ms"),
        ('{"entries": [{"variant": "yolov4-416", "width": 416, "height": 416, "batch": 1, '
         '"p50_ms": 1, "p99_ms": NaN}]}', "p99_ms"),
        ('{"max_batch": 0, "entries": [{"variant": "yolov4-416", "width": 416, "height": 416, '
         '"batch": 1, "p50_ms": 1, "p99_ms": 1}]}', "max_batch"),
    ],
)  # fmt: skip
def test_a_malformed_file_is_refused_with_field_and_rule(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ProfileError, match=message):
        load_latency_profile(path)


def test_shipped_profiles_can_be_read() -> None:
    shipped = sorted((REPO / "profiles").glob("*.json"))
    assert shipped
    for path in shipped:
        if "entries" in json.loads(path.read_text()):
            assert load_latency_profile(path).latency_ms("yolov4-tiny-416", S416, 1) > 0


def test_an_unknown_key_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    save_latency_profile(LatencyProfile([square(416, 1, 20.0)]), path)
    path.write_text(path.read_text().replace('"batch"', '"bacth"', 1))
    with pytest.raises(ProfileError) as caught:
        load_latency_profile(path)
    expected = f"{path}: entries[0]: unknown key `bacth`; did you mean `batch`?"
    assert str(caught.value) == expected
