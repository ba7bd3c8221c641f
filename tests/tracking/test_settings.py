"""What zones, lines and rules may be, and what the errors name."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from edge.cli.settings_toml import render
from edge.config import ConfigError, Settings, load
from edge.server import Server
from edge.startup import StartError
from edge.tracking.settings import LineSettings, RuleSettings, TrackingSettings, ZoneSettings

SQUARE = "[[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]"


def loaded(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    return load(file)


def test_all_of_it(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        f"""
        [tracking]
        lost_s = 3
        [[zones]]
        name = "square"
        label = "door"
        polygon = {SQUARE}
        classes = ["person"]
        [[lines]]
        name = "gate"
        start = [0, 0.5]
        end = [1, 0.5]
        anchor = "center"
        [[rules]]
        name = "crowd"
        zone = "square"
        more_than = 5
        for_s = 3
        """,
    )
    assert settings.tracks
    assert settings.tracking.lost_s == 3
    assert settings.zones[0].is_for("door")
    assert not settings.zones[0].is_for("")
    assert settings.lines[0].is_for("anything")


def test_what_is_printed_says_the_same(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        f"[tracking]\nlost_s = 3\n[[zones]]\nname = 'a'\npolygon = {SQUARE}\n"
        "[[rules]]\nname = 'b'\nzone = 'a'\nmore_than = 1",
    )
    again = loaded(tmp_path, render(settings))
    assert (again.tracking, again.zones, again.rules) == (
        settings.tracking,
        settings.zones,
        settings.rules,
    )


def test_tracks_are_off_by_default_and_on_by_a_setting(tmp_path: Path) -> None:
    assert not load().tracks
    assert loaded(tmp_path, "[tracking]\non = true").tracks


def test_edge_toml_comments_each_key_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "edge.toml").read_text()
    section = text[text.index("# -- Tracks, ") : text.index("# -- Clips --")]
    kinds: list[type[BaseModel]] = [TrackingSettings, ZoneSettings, LineSettings, RuleSettings]
    tables = re.split(r"^# \[+\w+\]+\n", section, flags=re.MULTILINE)[1:]
    for kind, table in zip(kinds, tables, strict=True):
        lines = [line.removeprefix("# ") for line in table.splitlines() if " = " in line]
        values = tomllib.loads("\n".join(lines))
        assert values.keys() <= kind.model_fields.keys()
        for key, value in values.items():
            default = kind.model_fields[key].default
            if key not in ("classes", "label", "more_than", "off_s") and default is not None:
                assert kind.model_fields[key].is_required() or value == default, key
        assert all(re.search(rf"\b{key}\b", table) for key in kind.model_fields), kind


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tracking]\non = true\nlost = 1", "tracking: unknown key `lost`"),
        ("[tracking]\nlost_s = 0", "tracking.lost_s: "),
        ("[[zones]]\nname = 'a'\npolygon = [[0, 0], [1, 1]]", "zones[0].polygon: "),
        ("[[zones]]\nname = 'a'\npolygon = [[0, 0], [2, 1], [0, 1]]", "zones[0].polygon[1][0]: "),
        (
            "[[zones]]\nname = 'a'\npolygon = [[0, 0], [1, 1], [1, 0], [0, 1]]",
            "zones[0].polygon: no two sides may cross",
        ),
        (
            "[[zones]]\nname = 'a'\npolygon = [[0, 0], [0.5, 0], [1, 0]]",
            "zones[0].polygon: at least 0.0001 of the picture's area",
        ),
        (f"[[zones]]\nname = 'a b'\npolygon = {SQUARE}", "zones[0].name: "),
        (
            f"[[zones]]\nname = 'a'\npolygon = {SQUARE}\nlabels = ['x']",
            "zones[0]: unknown key `labels`",
        ),
        (
            f"[[zones]]\nname = 'a'\npolygon = {SQUARE}\n" * 2,
            "zones: the name 'a' stands twice: each once",
        ),
        ("[[lines]]\nname = 'a'\nstart = [0, 0]\nend = [0, 0]", "lines[0]: start and end: "),
        ("[[lines]]\nname = 'a'\nstart = [0, 0]", "lines[0]: missing key `end`"),
        (
            "[[rules]]\nname = 'a'\nzone = 'b'\nmore_than = 1",
            "rules[0].zone: 'b' is none of the zones: none",
        ),
        (
            f"[[zones]]\nname = 'b'\npolygon = {SQUARE}\n[[rules]]\nname = 'a'\nzone = 'b'",
            "rules[0]: either more_than or fewer_than",
        ),
        (
            f"[[zones]]\nname = 'b'\npolygon = {SQUARE}\nclasses = ['car']\n"
            "[[rules]]\nname = 'a'\nzone = 'b'\nclasses = ['bus']\nmore_than = 1",
            "rules[0].classes: the zone 'b' does not count 'bus'",
        ),
    ],
)
def test_an_error_names_the_key_and_the_rule(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    lines: Any = str(caught.value).splitlines()
    assert any(says in line for line in lines), lines


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            f"[[zones]]\nname = 'a'\npolygon = {SQUARE}\nclasses = ['person', 'dragon']",
            "zones[0].classes: 'dragon' is not served",
        ),
        (
            "[[lines]]\nname = 'a'\nstart = [0, 0]\nend = [1, 1]\nclasses = ['dragon']",
            "lines[0].classes: 'dragon' is not served",
        ),
        (
            f"[[zones]]\nname = 'a'\npolygon = {SQUARE}\n"
            "[[rules]]\nname = 'b'\nzone = 'a'\nmore_than = 1\nclasses = ['dragon']",
            "rules[0].classes: 'dragon' is not served",
        ),
    ],
)
def test_classes_are_those_of_the_models(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(StartError) as caught:
        Server(loaded(tmp_path, text))
    assert str(caught.value) == says
