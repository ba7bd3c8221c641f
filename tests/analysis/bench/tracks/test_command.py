"""`python -m analysis bench tracks`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from analysis.bench import command as bench
from analysis.bench.tracks import command


def run_bench(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    bench.add(parser)
    return int(bench.run(parser.parse_args([*arguments])))


def test_the_time_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "MAX_MS", 1000.0)  # no judgement of a busy machine
    file = tmp_path / "tracks.json"
    assert run_bench("tracks", "--no-clips", "--json", str(file)) == 0
    assert "20 boxes" in json.loads(file.read_text())["cost"]
