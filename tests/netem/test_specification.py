"""Experiment files in general: where files are found, and how mistakes are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from netem.specification import (
    ExistingFile,
    LongSides,
    NetworkName,
    SpecError,
    SpecPart,
    TraceSource,
    load_spec,
    repeated,
)


class Grid(SpecPart):
    clients: list[int]
    fps: int = 15


class Example(SpecPart):
    """Stands for any experiment file."""

    name: str
    file: ExistingFile | None = None
    network: NetworkName = "yolov4"
    edges: LongSides = []  # noqa: RUF012  # pydantic copies it
    grids: list[Grid]
    traces: list[TraceSource] = []  # noqa: RUF012


def load(folder: Path, text: str) -> Example:
    path = folder / "x.toml"
    path.write_text(text)
    return load_spec(path, Example)


def mistakes(folder: Path, text: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        load(folder, text)
    lines = str(caught.value).splitlines()
    prefix = f"{folder / 'x.toml'}: "
    assert all(line.startswith(prefix) for line in lines)
    return [line.removeprefix(prefix) for line in lines]


def test_all_mistakes_are_reported_and_a_misspelt_key_only_once(tmp_path: Path) -> None:
    text = """
    naem = "x"
    colour = "red"
    network = "yolo"
    [[grids]]
    clients = [1]
    [[grids]]
    cleints = [2]
    fps = "many"
    [[grids]]
    """
    assert mistakes(tmp_path, text) == [
        "grids[1]: unknown key `cleints`; did you mean `clients`?",
        "unknown key `naem`; did you mean `name`?",
        "unknown key `colour`",
        "network: one of yolov4, yolov4-tiny",
        "grids[1].fps: input should be a valid integer, unable to parse string as an integer",
        "grids[2]: missing key `clients`",
    ]


def test_a_file_beside_the_experiment_comes_before_one_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, working = tmp_path / "experiments", tmp_path / "working"
    for folder in (beside, working):
        folder.mkdir()
        (folder / "both.tsv").touch()
    (working / "one.tsv").touch()
    monkeypatch.chdir(working)
    text = 'name = "x"\ngrids = []\nfile = "{}"'
    assert load(beside, text.format("both.tsv")).file == beside / "both.tsv"
    assert load(beside, text.format("one.tsv")).file == Path("one.tsv")
    [mistake] = mistakes(beside, text.format("none.tsv"))
    expected = f"file: none.tsv: no such file, neither beside this file nor in {working}"
    assert mistake == expected


@pytest.mark.parametrize(
    ("text", "message"), [(None, "No such file or directory"), ("name = ", "not TOML")]
)
def test_what_cannot_be_read_is_a_mistake(tmp_path: Path, text: str | None, message: str) -> None:
    path = tmp_path / "x.toml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(SpecError, match=message):
        load_spec(path, Example)


def test_input_sizes_are_sorted_and_of_known_ones(tmp_path: Path) -> None:
    text = 'name = "x"\ngrids = []\nedges = {}'
    assert load(tmp_path, text.format("[608, 128, 608]")).edges == [128, 608]
    assert mistakes(tmp_path, text.format("[100]")) == ["edges: 128 to 608 in steps of 32"]


def test_a_trace_is_labelled_by_its_name_or_its_source(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").touch()
    traces = '{ name = "a", kind = "lte" }, { kind = "wifi" }, { file = "train.tsv" }'
    example = load(tmp_path, f'name = "x"\ngrids = []\ntraces = [{traces}]')
    assert [trace.label for trace in example.traces] == ["a", "wifi", "train"]
    assert repeated(["a", "b", "a"]) == ["a"]
