"""The table `[fleet]`, from a file, a flag, a variable, and its mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.cli.main import main
from edge.config import ConfigError, load
from edge.config.fleet import engine_address


def test_the_flag_adds_to_the_files_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('[fleet]\nservers = ["nats://old"]\nname = "gpu-1"\n')
    flags = ["--fleet", "nats://a:1, tls://b", "--fleet-creds", "c.toml"]
    assert main(["serve", "--config", str(file), *flags, "--print-config"]) == 0
    [line] = [each for each in capsys.readouterr().out.splitlines() if each.startswith("fleet")]
    for part in ("nats://a:1", "tls://b", "c.toml", "gpu-1"):
        assert part in line
    assert "old" not in line


def test_one_address_stands_for_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = load(fleet="nats://head").fleet
    assert fleet is not None
    assert fleet.servers == ["nats://head"]
    monkeypatch.setenv("EDGE_FLEET", '{"servers": ["nats://head:4"]}')
    fleet = load().fleet
    assert fleet is not None
    assert fleet.servers == ["nats://head:4"]
    assert load(fleet=None).fleet is not None


@pytest.mark.parametrize(
    ("fleet", "rule"),
    [
        ({"servers": "http://head"}, "nats://HOST:PORT"),
        ({"servers": "nats://"}, "nats://HOST:PORT"),
        ({"servers": "head:4222"}, "nats://HOST:PORT"),
        ({"servers": "nats://head:99999"}, "a port from 1 to 65535"),
        ({"servers": "nats://me:secret@head"}, "file of credentials"),
        ({"servers": ""}, "at least 1 item"),
        ({"servers": "nats://head", "name": "a.b"}, "should match pattern"),
        ({"servers": "nats://head", "url": "head:8443"}, "should match pattern"),
        ({"servers": "nats://head", "nam": "a"}, "did you mean `name`"),
        ({}, "missing key `servers`"),
    ],
)
def test_a_mistake_names_its_key_and_the_rule(fleet: dict[str, str], rule: str) -> None:
    with pytest.raises(ConfigError, match="fleet") as caught:
        load(fleet=fleet)
    assert rule in str(caught.value)


def test_the_engines_port_has_a_default() -> None:
    assert engine_address("nats://head") == ("head", 4222)
    assert engine_address("tls://[2001:db8::1]:5000") == ("2001:db8::1", 5000)
