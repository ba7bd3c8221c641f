"""Names that sort, whatever a client calls itself."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from edge.clips.names import clip_name, is_clip, part_name


@pytest.mark.parametrize(
    "label",
    [
        "",
        "gate",
        "../../etc/passwd",
        "/",
        "..",
        "a\x00b",
        "K\u00fcche \U0001f600",
        "x" * 10_000,
        "-",
        "\n",
        ".mkv",
    ],
)
def test_a_name_is_one_harmless_name(label: str) -> None:
    name = clip_name(1_764_528_591.5, label, "-_A-b_", "rule_on")
    assert PurePosixPath(name).name == name
    assert name.isascii()
    assert name.isprintable()
    assert len(name) < 120
    assert is_clip(f"{name}.mkv")
    assert is_clip(f"{part_name(name, 12)}.json.part")


def test_names_sort_by_time() -> None:
    times = [1_764_528_591.5, 1_764_528_591.501, 1_764_528_592.0, 1_900_000_000.0]
    names = [clip_name(at, label, "s", "rule_on") for at, label in zip(times, "zaba", strict=True)]
    assert names == sorted(names)


@pytest.mark.parametrize("name", ["holiday.mkv", "archive.jsonl", "20251130T184951.500Z.mkv", ".x"])
def test_files_of_others_are_not_clips(name: str) -> None:
    assert not is_clip(name)
