"""Clips as the settings have them, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.config import ConfigError, load
from edge.models.registry.registry import ModelRegistry
from edge.startup import StartError, load_sinks

ZONE = '[[zones]]\nname = "yard"\npolygon = [[0, 0], [1, 0], [1, 1]]\n'


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    return file


def test_off_by_default() -> None:
    assert load().clips is None


def test_a_folder_is_enough(tmp_path: Path) -> None:
    clips = load(written(tmp_path, f'{ZONE}[clips]\nfolder = "here"\n')).clips
    assert clips is not None
    assert (clips.before_s, clips.after_s, clips.folder) == (5.0, 5.0, Path("here"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{ZONE}[clips]\n", "clips: missing key `folder`"),
        ('[clips]\nfolder = "x"\n', "clips: events come from zones, lines and rules: set one"),
        (f'{ZONE}[clips]\nfolder = "x"\nnames = ["yrd"]\n', "clips.names: 'yrd' is no zone"),
        (f'{ZONE}[clips]\nfolder = "x"\nevents = ["bye"]\n', "clips.events[0]"),
        (f'{ZONE}[clips]\nfolder = "x"\nbefore = 5\n', "clips: unknown key `before`"),
        (f'{ZONE}[clips]\nfolder = "x"\nbefore_s = 61\n', "clips.before_s"),
        (f'{ZONE}[clips]\nfolder = "x"\nafter_s = 9\nmax_s = 8\n', "max_s: not below after_s"),
    ],
)
def test_a_mistake_names_file_key_and_rule(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert said in str(caught.value)


def test_what_the_server_cannot_use_keeps_it_from_starting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for more, said in [
        ('folder = "ok"\nclasses = ["unicorn"]', "clips.classes: 'unicorn' is not served"),
        (f'folder = "{tmp_path}/file"', f"clips.folder: {tmp_path}/file: File exists"),
    ]:
        settings = load(written(tmp_path, f"{ZONE}[clips]\n{more}\n"))
        with pytest.raises(StartError, match=said):
            load_sinks(settings, ModelRegistry.of(settings))
