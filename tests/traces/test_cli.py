"""`python -m traces`: the commands and their exit statuses."""

import sys
from pathlib import Path

import pytest

from traces import DATA, read
from traces.__main__ import main


def test_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(DATA / "stepped.tsv")]) == 0
    line = capsys.readouterr().out
    assert "140.0 s in 7 steps; mean 13.93 Mbit/s; p5 7.50, median 15.00, p95 20.00" in line


def test_convert_with_an_option_and_resampled(tmp_path: Path) -> None:
    source, target = tmp_path / "a.txt", tmp_path / "b.tsv"
    source.write_text("2\n4\n")
    options = ["--option", "step_ms=500", "--resample-ms", "1000"]
    assert main(["convert", str(source), str(target), *options]) == 0
    assert list(read(target).rate_bps) == [3e6]


def test_plot_writes_a_picture(tmp_path: Path) -> None:
    files = [str(DATA / "lte.tsv"), str(DATA / "stepped.tsv")]
    assert main(["plot", *files, "--out", str(tmp_path / "a.png")]) == 0
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_failure_is_reported_on_standard_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.up").write_text("")
    assert main(["info", str(tmp_path / "a.up")]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path}/a.up: the file is empty\n"


def test_plot_without_matplotlib_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "traces.plot", raising=False)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    picture = tmp_path / "a.png"
    assert main(["plot", str(DATA / "lte.tsv"), "--out", str(picture)]) == 1
    error = "`python -m traces plot` needs matplotlib: pip install 'edge-video[lab]'"
    assert error in capsys.readouterr().err
    assert not picture.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["info"],
        ["info", "x", "--format", "pcap"],
        ["info", "x", "--option", "bin_ms=wide"],
        ["generate", "adsl", "x"],
        ["generate", "lte", "x", "--seconds", "0"],
        ["generate", "lte", "x", "--seed", "-1"],
        ["convert", "x", "y", "--resample-ms", "0"],
    ],
)
def test_bad_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
