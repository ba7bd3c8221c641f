"""Which browser is started, and with which camera."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from edge.assets.browser import BrowserMissingError, camera_flags, chromium_path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on the path."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("EDGE_CHROMIUM", raising=False)
    return tmp_path


def executable(path: Path) -> str:
    path.touch()
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_the_first_of_the_usual_names_on_the_path_is_taken(folder: Path) -> None:
    chrome = executable(folder / "google-chrome")
    assert chromium_path() == chrome
    chromium = executable(folder / "chromium")
    assert chromium_path() == chromium


def test_a_configured_browser_comes_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    executable(folder / "chromium")
    other = executable(folder / "other")
    monkeypatch.setenv("EDGE_CHROMIUM", other)
    assert chromium_path() == other


def test_without_any_the_message_says_what_to_install(folder: Path) -> None:
    assert not list(folder.iterdir())
    with pytest.raises(BrowserMissingError, match="install Debian's package `chromium`"):
        chromium_path()


def test_a_file_stands_in_for_the_camera() -> None:
    without, with_file = camera_flags(None), camera_flags(Path("street.y4m"))
    assert "--use-fake-ui-for-media-stream" in without
    assert set(with_file) - set(without) == {"--use-file-for-fake-video-capture=street.y4m"}
