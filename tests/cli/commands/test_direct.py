"""`edge direct`: its flags, and which engine it takes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from edge.cli.commands import direct
from edge.cli.main import main


def _settings(*arguments: str) -> tuple[list[str], tuple[str, int] | None]:
    """The engine's addresses, and where one is to be started."""
    parser = argparse.ArgumentParser()
    direct.add_parser(parser.add_subparsers())
    settings, listen = direct._settings(parser.parse_args(["direct", *arguments]))
    assert settings.fleet is not None
    return settings.fleet.servers, listen


def test_without_a_name_an_engine_is_started_on_loopback() -> None:
    assert _settings() == (["nats://127.0.0.1:4222"], ("127.0.0.1", 4222))
    assert _settings("--fleet-creds", "x.toml")[1] == ("127.0.0.1", 4222)


def test_one_that_is_named_is_not_started(tmp_path: Path) -> None:
    assert _settings("--fleet", "nats://head, nats://b") == (["nats://head", "nats://b"], None)
    file = tmp_path / "edge.toml"
    file.write_text('[fleet]\nservers = ["nats://there"]\n')
    assert _settings("--config", str(file)) == (["nats://there"], None)


@pytest.mark.parametrize(
    ("listen", "url", "where"),
    [
        ("0.0.0.0:5000", "nats://127.0.0.1:5000", ("0.0.0.0", 5000)),
        ("[::1]:5000", "nats://[::1]:5000", ("::1", 5000)),
        ("10.0.0.1:4222", "nats://10.0.0.1:4222", ("10.0.0.1", 4222)),
    ],
)
def test_it_is_reached_where_it_listens(listen: str, url: str, where: tuple[str, int]) -> None:
    assert _settings("--fleet-listen", listen) == ([url], where)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fleet-listen", "4222"], "HOST:PORT"),
        (["--fleet-listen", "head:0"], "HOST:PORT"),
        (["--fleet-listen", "head:x"], "HOST:PORT"),
        (["--fleet-listen", "head:1", "--fleet", "nats://x"], "not allowed with"),
    ],
)
def test_flags_that_cannot_be_are_bad_usage(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["direct", *arguments])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_settings_that_cannot_be_name_their_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["direct", "--fleet", "http://head"]) == 2
    assert "nats://HOST:PORT" in capsys.readouterr().err


def test_without_nats_py_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    assert main(["direct", "--http", "--port", "0", "--fleet", "nats://127.0.0.1"]) == 1
    assert "pip install 'edge-video[fleet]'" in capsys.readouterr().err
