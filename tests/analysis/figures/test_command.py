"""`python -m analysis figures`: all figures of its sources, an index, and clear refusals."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from analysis.__main__ import main
from analysis.figures.sources import PROFILES, RECORDED
from netem.results.rows import FrameRow
from netem.results.run_folder import FRAMES, write
from tests.analysis.figures.recording import frame, run_of


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder with a run, a simulated grid and a benchmark."""
    folder = tmp_path / "results"
    frames = [frame(client, n) for n in range(12) for client in (0, 1)]
    run_of(folder / "deep" / "small", frames)
    run_of(folder / "deep" / "small", frames, "other", policy="fixed")
    for name in ("grid-small.csv", "scheduler.json"):
        shutil.copy(RECORDED / name, folder)
    return folder


def test_all_figures_are_made_with_their_tables_and_an_index(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["figures", str(results), "--out", str(out)]) == 0
    names = {path.stem for path in out.glob("*.svg")}
    devices = [path.stem for path in PROFILES.glob("*.json") if "accuracy-" not in path.name]
    assert names == {
        "adaptation-one", "answers-one", "codec-bits", "dnn-accuracy", "legs-one", "scheduler",
        "grid-grid-small-lte-simulated-devices-1", "grid-small-lte-20-ms-light",
        *(f"dnn-latency-{device}" for device in devices),
    }  # fmt: skip
    for ending in ("png", "csv", "md"):
        assert {path.stem for path in out.glob(f"*.{ending}")} == names
    index = (out / "index.html").read_text()
    assert set(re.findall(r'<figure id="([^"]+)"', index)) == names
    assert index.count("data:image/png;base64,") == index.count("<table>") == len(names)
    assert not re.search(r'(src|href)="(https?:)?//', index)


def test_the_same_results_make_the_same_files(results: Path, tmp_path: Path) -> None:
    outs = [tmp_path / name for name in ("one", "two")]
    for out in outs:
        arguments = [str(results / "deep"), "--profiles", str(tmp_path)]
        assert main(["figures", *arguments, "--out", str(out)]) == 0
    for path in outs[0].iterdir():
        assert path.read_bytes() == (outs[1] / path.name).read_bytes(), path.name


def test_runs_of_one_name_do_not_replace_each_other(tmp_path: Path) -> None:
    for experiment in ("one", "two"):
        frames = [frame(0, number) for number in range(5)]
        run_of(tmp_path / experiment, frames, "same", experiment=experiment)
    out = tmp_path / "out"
    profiles = ["--profiles", str(tmp_path)]
    assert main(["figures", str(tmp_path), *profiles, "--out", str(out)]) == 0
    assert {path.stem for path in out.glob("legs*.svg")} == {"legs-same", "legs-same-2"}


def test_sources_that_cannot_be_drawn_are_refused(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")]
    assert main(["figures", str(tmp_path / "none"), *out]) == 1
    assert "none: no such file or folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["figures", str(tmp_path / "empty"), *out]) == 1
    assert "empty: no finished run" in capsys.readouterr().err
    shutil.copytree(results / "deep", tmp_path / "copied" / "twice")
    shutil.copytree(results / "deep", tmp_path / "copied" / "thrice")
    assert main(["figures", str(tmp_path / "copied"), *out]) == 1
    assert "two results of ours, 2 clients, 10 fps, 100 ms" in capsys.readouterr().err
    run = results / "deep" / "small" / "runs" / "one"
    write(run / FRAMES, FrameRow, [frame(client, n) for n in range(11) for client in (0, 1)])
    assert main(["figures", str(results), *out]) == 1
    assert "sessions.csv:2: in_time: 11, but 10 in frames.csv" in capsys.readouterr().err


def test_profiles_alone_make_figures(tmp_path: Path) -> None:
    shutil.copy(PROFILES / "sim-rtx2080ti.json", tmp_path / "one.json")
    out = tmp_path / "out"
    assert main(["figures", "--profiles", str(tmp_path), "--out", str(out)]) == 0
    assert [path.name for path in out.glob("*.png")] == ["dnn-latency-one.png"]
