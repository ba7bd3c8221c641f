"""The examples in the descriptions of file formats are valid and mean what the text says."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest

from edge.cli.main import main
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.latency_file import load_latency_profile

FORMATS = Path(__file__).parents[2] / "docs" / "formats"


def examples(page: str) -> list[str]:
    return re.findall(r"```json\n(.*?)```", (FORMATS / page).read_text(), re.DOTALL)


def test_the_problem_has_the_plan_that_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem, plan = examples("solve.md")
    monkeypatch.setattr("sys.stdin", io.StringIO(problem))
    assert main(["solve"]) == 0
    written = json.loads(capsys.readouterr().out)
    assert written.pop("solve_ms") > 0
    assert written == json.loads(plan)


def test_the_latency_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "latency.json"
    path.write_text(examples("profiles.md")[0])
    profile = load_latency_profile(path)
    assert profile.latency_row("yolov4-tiny-320", (320, 192)) == [14.0, 28.0, 28.0, 28.0]
    assert profile.typical_ms("yolov4-tiny-608", (608, 352), 1) == 30.0


def test_the_accuracy_profile_is_read(tmp_path: Path) -> None:
    path = tmp_path / "accuracy.json"
    path.write_text(examples("profiles.md")[1])
    profile = load_accuracy_profile(path)
    f1 = profile.f1("yolov4-tiny-416", 320, bps=33_000 * 15, fps=15)
    assert f1 == pytest.approx(0.67, abs=0.005)


@pytest.mark.parametrize(
    ("page", "example", "keys"),
    [
        ("solve.md", 0, {"gpus", "variants", "clients", "current"}),
        ("solve.md", 1, {"algorithm", "rule", "gpus", "unserved", "served", "accuracy", "changes"}),
        ("profiles.md", 0, {"device", "max_batch", "entries"}),
        ("profiles.md", 1, {"reference", "clips", "rows"}),
    ],
)
def test_every_key_of_an_example_is_described(page: str, example: int, keys: set[str]) -> None:
    text = (FORMATS / page).read_text()
    data = json.loads(examples(page)[example])
    assert set(data) == keys
    inner = {
        key
        for value in data.values()
        if isinstance(value, list)
        for item in value
        if isinstance(item, dict)
        for key in item
    }
    for key in keys | inner:
        assert re.search(rf"`(\w+\[\])?\.?{key}`", text), key
