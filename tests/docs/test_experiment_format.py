"""docs/formats/experiment.md: its example is an experiment, and its tables name every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from netem.experiment.specification import (
    ClientSpec,
    Experiment,
    FixedSpec,
    GridSpec,
    UplinkSpec,
    VideoSpec,
    load,
)

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "formats" / "experiment.md").read_text()


def test_the_example_is_an_experiment_of_as_many_runs_as_the_page_claims(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    [example] = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    path = tmp_path / "example.toml"
    path.write_text(example)
    claimed = re.search(r"= (\d+) runs", PAGE)
    assert claimed is not None
    assert len(list(load(path).cells)) == int(claimed[1])


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Top level", Experiment),
        ("`[[traces]]`", UplinkSpec),
        ("`[[videos]]`", VideoSpec),
        ("`[[client]]`", ClientSpec),
        ("`[[grids]]`", GridSpec),
        ("`fixed`", FixedSpec),
    ],
)
def test_every_key_has_its_line(heading: str, model: type[BaseModel]) -> None:
    [section] = [part for part in PAGE.split("\n## ") if part.startswith(heading)]
    assert set(re.findall(r"^\| `(\w+)` \|", section, re.M)) == set(model.model_fields)
