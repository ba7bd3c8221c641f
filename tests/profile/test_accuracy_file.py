"""Accuracy profiles as files: written and read back, mistakes named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge.profile.accuracy import AccuracyError, AccuracyProfile, AccuracyRow
from edge.profile.accuracy_file import load_accuracy_profile, save_accuracy_profile
from tests.profile.test_accuracy import two_sizes

REPO = Path(__file__).parents[2]


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    annotated = AccuracyRow(
        "yolov4-tiny", "coco", "jpeg90", 320, 320 * 320, 0.0, 9e4, {320: 0.5}, {320: 0.4},
        {320: {"f1": 0.4, "ap50": 0.3, "ap": 0.2}}, {320: (0.45, 0.56)},
    )  # fmt: skip
    profile = AccuracyProfile(
        [*two_sizes().rows, annotated],
        reference="yolov4-tiny-608",
        clips={"street": "a street"},
        machine="somewhere",
        versions={"torch": "2"},
        command="python -m profiles accuracy",
    )
    path = tmp_path / "a.json"
    save_accuracy_profile(profile, path)
    again = load_accuracy_profile(path)
    for name in ("rows", "reference", "clips", "machine", "versions", "command"):
        assert getattr(again, name) == getattr(profile, name)
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": []}, "rows"),
        ({"rows": 3}, "rows"),
        ({"clips": 3}, "clips: must be an object"),
        ({"rows": [3]}, r"rows\[0\]"),
        ({"network": "res net"}, r"rows\[0\].*res net"),
        ({"sent_edge": 0}, r"rows\[0\].*sent_edge"),
        ({"bits": 0}, r"rows\[0\].*bits"),
        ({"bits": "many"}, r"rows\[0\].bits: .*number"),
        ({"f1": {}}, r"rows\[0\].*f1"),
        ({"f1": [1]}, r"rows\[0\]"),
        ({"f1": {"100": 0.5}}, r"rows\[0\].*input side 100"),
        ({"ap": {"128": 1.5}}, r"rows\[0\].*ap\[128\]"),
        ({"ap": None}, r"rows\[0\]"),
        ({"f1_interval": {"608": [0.1, 0.2]}}, r"rows\[0\].*input side 608: f1 has none"),
        ({"f1_interval": {"128": [0.3, 0.2]}}, r"rows\[0\].*f1_interval\[128\]: 0 <= low <= high"),
        ({"f1_interval": {"128": [0.3]}}, r"rows\[0\]"),
    ],
)
def test_a_malformed_file_is_refused_with_field_and_rule(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    path = tmp_path / "bad.json"
    save_accuracy_profile(two_sizes(), path)
    data = json.loads(path.read_text())
    (data if change.keys() & data.keys() else data["rows"][0]).update(change)
    path.write_text(json.dumps(data))
    with pytest.raises(AccuracyError, match=f"bad.json: {message}"):
        load_accuracy_profile(path)


def test_a_file_that_is_not_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text("{")
    with pytest.raises(AccuracyError, match="not JSON"):
        load_accuracy_profile(path)


def test_shipped_profiles_show_what_bits_and_size_buy() -> None:
    shipped = sorted((REPO / "profiles").glob("accuracy-*.json"))
    assert shipped
    for path in shipped:
        profile = load_accuracy_profile(path)
        for network in profile.networks:
            best = profile.f1(f"{network}-608", 608, 4e6, 15)
            assert best > profile.f1(f"{network}-128", 128, 4e6, 15)
            assert best > 1.1 * profile.f1(f"{network}-608", 608, 1e5, 15)


def test_an_unknown_key_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    save_accuracy_profile(two_sizes(), path)
    path.write_text(path.read_text().replace('"clip"', '"clpi"', 1))
    with pytest.raises(AccuracyError) as caught:
        load_accuracy_profile(path)
    expected = f"{path}: rows[0]: unknown key `clpi`; did you mean `clip`?"
    assert str(caught.value) == expected
