"""`python -m analysis simulate`: files written, and what the exit status depends on."""

from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.simulator import judge
from tests.analysis.simulator.experiment import ROOT

TEXT = f"""
name = "tiny"
clients = [1]
fps = [15]
slo_ms = [400]
seconds = 5
policies = ["ours", "largest", "smallest"]
[[devices]]
profile = "{ROOT}/profiles/sim-rtx2080ti.json"
[[traces]]
kind = "stepped"
[accuracy]
file = "{ROOT}/profiles/accuracy-yolov4-tiny.json"
as_network = "yolov4-tiny"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TEXT)
    return path


def test_rows_are_written_under_the_experiments_name(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "results"
    arguments = ["--seconds", "0.4", "--jobs", "1", "--policies", "smallest,largest"]
    assert main(["simulate", str(file), "--out", str(out), *arguments]) == 0
    header, *rows = (out / "tiny.csv").read_text().splitlines()
    policy = header.split(",").index("policy")
    assert [row.split(",")[policy] for row in rows] == ["smallest", "largest"]


def test_a_broken_promise_is_exit_status_1_unless_it_is_not_judged(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(judge, "MAX_MISSED", -1.0)  # nothing keeps it
    arguments = ["simulate", str(file), "--seconds", "0.4", "--jobs", "1"]
    assert main(arguments) == 1
    assert "0 of 1 cells: ours misses at most" in capsys.readouterr().out
    assert main([*arguments, "--no-judge"]) == 0


def test_an_unknown_policy_is_bad_usage(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["simulate", str(file), "--policies", "ours,best"])
    assert end.value.code == 2
    assert "'best': of ours, jellyfish" in capsys.readouterr().err
