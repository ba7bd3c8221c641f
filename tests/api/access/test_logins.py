"""Logins that are kept: whatever is in their file, the server starts, and no one gets in by it."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from edge.api.access.logins import LOGIN_S, MAX_LOGINS, VERSION, Logins

TOKEN = "correct horse"


def _saved(file: Path) -> str:
    """The cookie of a login that is in the file."""
    logins = Logins(file)
    cookie = logins.begin(TOKEN)
    logins.close()
    return cookie


def test_it_ends_after_its_time_and_where_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("edge.api.access.logins.time.time", lambda: now)
    file = tmp_path / "logins.json"
    cookie = _saved(file)
    now += LOGIN_S - 1.0
    assert Logins(file).is_valid(cookie, TOKEN)
    now += 2.0
    assert not Logins(file).is_valid(cookie, TOKEN)
    now = 500_000.0
    assert not Logins(file).is_valid(cookie, TOKEN)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "",
        lambda text: "[]",
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: json.dumps({"version": VERSION, "logins": {"a": 5}}),
        lambda text: json.dumps({"version": VERSION, "logins": {"a": ["x", "y"]}}),
        lambda text: json.dumps({"version": VERSION, "logins": [1]}),
        lambda text: "\x00\xff" + text,
        lambda text: 100_000 * "[",
    ],
)
def test_a_damaged_file_is_moved_aside_with_a_line(
    damage: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "logins.json"
    cookie = _saved(file)
    file.write_text(damage(file.read_text()), encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        logins = Logins(file)
    assert not logins.is_valid(cookie, TOKEN)
    [line] = [each.__dict__["event"] for each in caplog.records]
    assert (line["event"], line["moved_to"]) == ("logins_unreadable", f"{file}.broken")
    assert not file.exists()
    cookie = _saved(file)  # it works from here on
    assert Logins(file).is_valid(cookie, TOKEN)


def test_where_nothing_can_be_written_logins_work_and_are_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    logins = Logins(tmp_path / "file" / "logins.json")  # no folder
    with caplog.at_level(logging.WARNING):
        cookie = logins.begin(TOKEN)
        logins.close()
    assert logins.is_valid(cookie, TOKEN)
    assert "logins_not_kept" in caplog.text


def test_the_file_is_bounded_and_private_whatever_it_was(tmp_path: Path) -> None:
    file = tmp_path / "logins.json"
    file.write_text(json.dumps({"version": VERSION, "logins": {}}))
    file.chmod(0o666)
    logins = Logins(file)
    cookies = [logins.begin(TOKEN) for _ in range(MAX_LOGINS + 9)]
    logins.close()
    again = Logins(file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.stat().st_size < 100_000
    assert not any(again.is_valid(each, TOKEN) for each in cookies[:9])
    assert all(again.is_valid(each, TOKEN) for each in cookies[9:])


def test_the_file_alone_opens_nothing(tmp_path: Path) -> None:
    """Who reads it can neither log in by it nor test guesses of the token."""
    file = tmp_path / "logins.json"
    _saved(file)
    [(key, (_, proof))] = json.loads(file.read_text())["logins"].items()
    logins = Logins(file)
    for stolen in (key, proof, f"{key}{proof}", ""):
        assert not logins.is_valid(stolen, TOKEN)
    assert not logins.is_valid("\ud800", TOKEN)
