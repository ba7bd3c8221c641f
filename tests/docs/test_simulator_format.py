"""docs/formats/simulator.md: its example runs, and its tables name every key and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from analysis.__main__ import main
from analysis.simulator.grid import tasks
from analysis.simulator.results import COLUMNS
from analysis.simulator.specification import (
    POLICIES,
    AccuracySpec,
    Costs,
    DeviceSpec,
    SimulatedLinkSpec,
    Simulation,
    load,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "formats" / "simulator.md").read_text()


def section(heading: str) -> str:
    [text] = [part for part in PAGE.split("\n## ") if part.startswith(heading)]
    return text


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(ROOT)
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    path = tmp_path / "example.toml"
    path.write_text(text)
    return path


def test_the_example_has_as_many_runs_as_the_page_claims(example: Path) -> None:
    claimed = re.search(r": (\d+) runs", PAGE)
    assert claimed is not None
    assert len(tasks(load(example))) == int(claimed[1])


def test_the_example_runs_and_writes_the_columns_that_the_page_names(
    example: Path, tmp_path: Path
) -> None:
    arguments = ["--seconds", "0.4", "--jobs", "1", "--no-judge", "--out", str(tmp_path)]
    assert main(["simulate", str(example), *arguments]) == 0
    header, *rows = (tmp_path / "small.csv").read_text().splitlines()
    cells = re.findall(r"^\| (`[^|]*) \|", section("Results"), re.M)
    assert header.split(",") == re.findall(r"`(\w+)`", " ".join(cells)) == list(COLUMNS)
    assert len(rows) == 16


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Top level", Simulation),
        ("`[[traces]]`", SimulatedLinkSpec),
        ("`[[devices]]`", DeviceSpec),
        ("`[accuracy]`", AccuracySpec),
        ("`[costs]`", Costs),
    ],
)
def test_every_key_has_its_line(heading: str, model: type[BaseModel]) -> None:
    keys = re.findall(r"^\| `(\w+)` \|", section(heading), re.M)
    assert sorted(keys) == sorted(model.model_fields)


def test_every_policy_is_named() -> None:
    [line] = re.findall(r"^\| `policies` .*", PAGE, re.M)
    assert all(f"`{policy}`" in line for policy in POLICIES)
