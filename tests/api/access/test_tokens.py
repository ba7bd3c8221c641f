"""Tokens by name, and their rotation by a file that changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.api.access.tokens import CHECK_EVERY_MS, TokensError, TokenStore
from edge.config import ConfigError, load

DOOR = '[[tokens]]\nname = "door"\ntoken = "first"\nmax_sessions = 3\n'


class Clock:
    """The time, advanced by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 0.0
        monkeypatch.setattr("edge.api.access.tokens.now_ms", lambda: self.ms)


def _name(store: TokenStore, text: str) -> str | None:
    token = store.publishing(text)
    return None if token is None else token.name


def test_each_token_has_a_name_and_the_single_one_is_the_default() -> None:
    store = TokenStore(load(token="one", tokens=[{"name": "door", "token": "two"}]))
    assert [_name(store, text) for text in ("one", "two", "three", "")] == [
        "default",
        "door",
        None,
        None,
    ]
    assert store.publishing_protected
    assert not TokenStore(load()).publishing_protected


def test_a_changed_file_replaces_its_tokens_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(monkeypatch)
    file = tmp_path / "tokens.toml"
    file.write_text(DOOR)
    store = TokenStore(load(tokens_file=file, token="fixed"))
    assert _name(store, "first") == "door"
    file.write_text('admin_token = "rotated!"\n' + DOOR.replace("first", "second"))
    clock.ms += CHECK_EVERY_MS
    assert _name(store, "first") is None
    assert (_name(store, "second"), _name(store, "fixed")) == ("door", "default")
    assert store.admin is not None
    assert store.admin.get_secret_value() == "rotated!"


@pytest.mark.parametrize("torn", ["", "[[tokens]", "tokens = []", DOOR + "typo = 1", None])
def test_an_unusable_file_leaves_the_tokens_in_force(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    torn: str | None,
) -> None:
    clock = Clock(monkeypatch)
    file = tmp_path / "tokens.toml"
    file.write_text(DOOR)
    store = TokenStore(load(tokens_file=file))
    file.unlink()
    if torn is not None:
        file.write_text(torn)
    for _ in range(3):
        clock.ms += CHECK_EVERY_MS
        assert _name(store, "first") == "door"
    assert caplog.text.count("event=tokens_file_unusable") == 1
    assert "token = " not in caplog.text
    file.write_text(DOOR.replace("first", "second"))
    clock.ms += CHECK_EVERY_MS
    assert _name(store, "second") == "door"


def test_an_unusable_file_is_an_error_at_the_start_and_shows_no_token(tmp_path: Path) -> None:
    file = tmp_path / "tokens.toml"
    file.write_text('[[tokens]]\nname = "a b"\ntoken = "hush"\n')
    with pytest.raises(TokensError, match=r"tokens\[0\].name") as caught:
        TokenStore(load(tokens_file=file))
    assert "hush" not in str(caught.value)


def test_a_name_names_one_token() -> None:
    with pytest.raises(ConfigError, match="each name once"):
        load(token="x", tokens=[{"name": "default", "token": "y"}])
