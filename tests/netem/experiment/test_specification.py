"""Experiments as files: what they make of a grid, and how a bad one is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from netem.experiment.specification import Experiment, load
from netem.specification import SpecError

LEAST = """
name = "x"
device = ["sim:profiles/sim-rtx2080ti.json"]
network = "yolov4"
as_network = "yolov4-tiny"
[[traces]]
kind = "lte"
[[grids]]
traces = ["lte"]
clients = [1, 2]
policies = ["ours", "fixed"]
"""
ROOT = Path(__file__).parents[3]
SHIPPED = sorted((ROOT / "netem" / "experiments").glob("*.toml"))


@pytest.fixture(autouse=True)
def _at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def parsed(text: str) -> Experiment:
    return Experiment.model_validate(tomllib.loads(text))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_the_shipped_experiments_can_be_run(path: Path) -> None:
    experiment = load(path)
    cells = list(experiment.cells)
    assert cells
    assert len({cell.name for cell in cells}) == len(cells)


def test_a_cell_in_two_grids_is_one_run() -> None:
    again = '[[grids]]\ntraces = ["lte"]\nclients = [2, 4]\n'
    names = [cell.name for cell in parsed(LEAST + again).cells]
    assert len(names) == 5
    assert names[0] == "chromium-lte-0ms-street-1x15fps-100ms-ours-1"


def test_what_was_asked_for_makes_the_key() -> None:
    one, other = parsed(LEAST), parsed(LEAST.replace('"x"', '"x"\nsettle_s = 5'))
    [first, second, *_] = one.cells
    assert one.key(first) == parsed(LEAST + '[[traces]]\nkind = "wifi"\n').key(first)
    assert len({one.key(first), one.key(second), other.key(first)}) == 3


def test_a_scaled_and_hastened_trace_carries_as_much_as_it_says() -> None:
    text = LEAST.replace(
        'kind = "lte"', 'name = "lte"\nkind = "stepped"\nscale = 0.1\nspeed = 7\noffset_s = 1'
    )
    [spec] = parsed(text).traces
    trace = spec.trace(0, 20.0)
    assert trace.duration_ms == 20_000.0
    assert trace.mean_bps == pytest.approx(0.1 * 97.5e6 / 7.0)
    later = spec.trace(2, 20.0)
    assert later.rate_at(1_000.0) == trace.rate_at(3_000.0) == 1.5e6


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('kind = "lte"', 'kind = "gsm"', "traces[0].kind: input should be"),
        ('kind = "lte"', 'kind = "lte"\nmbps = 3', "traces[0]: one of file, kind and mbps"),
        ('kind = "lte"', 'kind = "lte"\n[[traces]]\nkind = "lte"', "traces: two are called 'lte'"),
        ('traces = ["lte"]', 'traces = ["nr"]', "grids[0].traces: 'nr' is not one of lte"),
        ('traces = ["lte"]', 'traces = ["lte"]\nvideos = ["a"]', "grids[0].videos: 'a' is not one"),
        ('name = "x"', 'name = "x"\nclient = [{ video = "a" }]', "client[0].video: 'a' is not one"),
        ("clients = [1, 2]", "clients = [0]", "grids[0].clients[0]: input should be greater"),
        ("clients = [1, 2]", "cleints = 1", "grids[0]: unknown key `cleints`; did you mean `clien"),
        ('network = "yolov4"', 'network = "yolo"', "network: one of"),
        ("sim:profiles/sim-rtx2080ti.json", "sim:none.json", "device[0]: none.json: no such file"),
        ('name = "x"', 'name = "x"\naccuracy = "no.json"', "accuracy: no.json: no such file"),
        ('name = "x"', 'name = "x"\nprofile = ["no.json"]', "profile[0]: no.json: no such file"),
        (
            'device = ["sim:profiles/sim-rtx2080ti.json"]',
            'device = ["cpu"]',
            "missing key `fixed`",
        ),
        ('name = "x"', 'name = "a b"', "name: string should match"),
        ('name = "x"', "name = ", "not TOML"),
        ('"ours", "fixed"', '"best"', "grids[0].policies[0]"),
    ],
)
def test_a_mistake_is_reported_with_file_key_and_rule(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    path = tmp_path / "bad.toml"
    assert before in LEAST
    path.write_text(LEAST.replace(before, after))
    with pytest.raises(SpecError) as caught:
        load(path)
    assert f"{path}: {message}" in str(caught.value)


def test_files_are_found_beside_the_experiment(tmp_path: Path) -> None:
    for name in ("trace.tsv", "video.mp4", "profile.json"):
        (tmp_path / name).touch()
    text = LEAST.replace('kind = "lte"', 'name = "lte"\nfile = "trace.tsv"')
    text = text.replace("sim:profiles/sim-rtx2080ti.json", "sim:profile.json")
    video = '[[videos]]\nname = "street"\nfiles = ["photographs", "video.mp4"]\n'
    path = tmp_path / "experiment.toml"
    path.write_text(text + video)
    experiment = load(path)
    assert experiment.traces[0].file == tmp_path / "trace.tsv"
    assert experiment.device == [f"sim:{tmp_path / 'profile.json'}"]
    assert experiment.videos[0].files == ["photographs", str(tmp_path / "video.mp4")]
