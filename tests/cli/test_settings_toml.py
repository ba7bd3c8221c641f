"""edge.toml agrees with the code; the printed settings are those in force, without secrets."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from edge.cli.main import main
from edge.cli.settings_toml import HIDDEN, TEMPLATE, render
from edge.config import Settings, load

_KEY = re.compile(r"^#(\w+) = ", re.M)


def _commented() -> str:
    return TEMPLATE.read_text(encoding="utf-8")


def test_every_setting_stands_in_edge_toml_once_and_no_other() -> None:
    assert sorted(_KEY.findall(_commented())) == sorted(Settings.model_fields)


def test_each_value_in_edge_toml_is_the_default_or_could_be_set() -> None:
    text = re.sub(r"^#(?=\w+ = )", "", _commented(), flags=re.M)
    examples = tomllib.loads(text)
    for key, field in Settings.model_fields.items():
        default = getattr(load(), key)
        default = default.model_dump() if isinstance(default, BaseModel) else default
        if default is None or key in (
            "profile",
            "frame_ancestors",
            "ice_allow",
            "ice_servers",
            "trusted_proxies",
            "announce",
            "tokens",
        ):
            continue  # an example of what could stand there
        assert examples[key] == default, f"{key}: {field.default!r} in the code"


def test_each_setting_has_a_comment() -> None:
    lines = _commented().splitlines()
    for number, line in enumerate(lines):
        if _KEY.match(line):
            above = number - 1
            while lines[above].startswith("#") and _KEY.match(lines[above]):
                above -= 1
            assert re.match(r"# \w|# \"", lines[above]), f"{line!r} has no comment above it"


def test_the_printed_settings_are_those_in_force(tmp_path: Path) -> None:
    settings = load(
        port=9000,
        http=True,
        device=["cpu", "cuda:1"],
        ice_servers=[{"urls": ["stun:192.0.2.1"]}],
        trusted_proxies=["10.0.0.0/8"],
        log_file=Path('a "b".log'),
        admin_loopback=False,
        media_timeout_s=7.5,
    )
    file = tmp_path / "printed.toml"
    file.write_text(render(settings))
    assert load(file).model_dump() == settings.model_dump()


def test_secrets_are_only_marked_as_set(tmp_path: Path) -> None:
    secrets: dict[str, Any] = {
        "token": "hush",
        "tokens": [{"name": "door", "token": "hush2"}],
        "admin_token": "hush hush",
        "turn_secret": "hush-hush-hush",
        "ice_servers": [{"urls": ["turn:x"], "username": "me", "credential": "hush"}],
    }
    text = render(load(**secrets))
    assert "hush" not in text
    assert text.count(HIDDEN) == len(secrets)
    file = tmp_path / "printed.toml"
    file.write_text(text)
    assert not any(isinstance(value, SecretStr) for _, value in load(file))


def test_the_command_prints_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "9000", "--print-config"]) == 0
    out = capsys.readouterr().out
    assert "\nport = 9000\n" in out
    assert "# Port; 0 chooses a free one" in out
    assert tomllib.loads(out)["port"] == 9000
