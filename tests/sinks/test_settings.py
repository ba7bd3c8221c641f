"""Sinks in the settings: their rules, and what is told of mistakes."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest
from pydantic import BaseModel

from edge.cli.settings_toml import HIDDEN, render
from edge.config import ConfigError, Settings, load
from edge.server import Server
from edge.sinks.settings import JsonLinesSettings, MqttSettings, WebhookSettings
from edge.startup import StartError

WEBHOOK = """name = "a"
kind = "webhook"
url = "https://h.example/x?key=hush"
secret = "hush hush hush hush"
"""
FILES = 'name = "b"\nkind = "jsonl"\nfolder = "out"\n'
MQTT = 'name = "c"\nkind = "mqtt"\nhost = "h.example"\n'


def loaded(tmp_path: Path, *tables: str) -> Settings:
    file = tmp_path / "edge.toml"
    file.write_text("".join(f"[[sinks]]\n{table}" for table in tables))
    return load(file)


def test_each_kind_is_read_with_its_defaults(tmp_path: Path) -> None:
    webhook, files, mqtt = loaded(tmp_path, WEBHOOK, FILES, MQTT).sinks
    assert isinstance(webhook, WebhookSettings)
    assert isinstance(files, JsonLinesSettings)
    assert isinstance(mqtt, MqttSettings)
    assert (mqtt.port_or_default, webhook.target) == (1883, "https://h.example")


def test_edge_toml_comments_each_key_with_its_default() -> None:
    text = (Path(__file__).parents[2] / "edge.toml").read_text()
    kinds: list[type[BaseModel]] = [WebhookSettings, JsonLinesSettings, MqttSettings]
    common = set.intersection(*(set(kind.model_fields) for kind in kinds))
    tables = text[text.index("# -- Sinks --") :].split("# [[sinks]]\n")[1:]
    for kind, table in zip(kinds, tables, strict=True):
        lines = [line.removeprefix("# ") for line in table.splitlines() if " = " in line]
        values = tomllib.loads("\n".join(lines))
        assert values.keys() | common == kind.model_fields.keys()
        for key, value in values.items():
            default = kind.model_fields[key].default
            if default is not None and not kind.model_fields[key].is_required():
                assert value == default, key


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        (["kind = 'pigeon'\nname = 'a'\n"], "sinks[0]: "),
        ([FILES, WEBHOOK.replace("https", "ftp")], "sinks[1].url: a URL that starts with https://"),
        ([WEBHOOK.replace("//h", "//me:hush@h")], "sinks[0].url: no user and password in it: set"),
        ([WEBHOOK.replace(" hush hush", "")], "sinks[0].secret: at least 16 characters"),
        ([FILES + "qos = 1\n"], "sinks[0]: unknown key `qos`"),
        ([FILES + "max_byte = 1\n"], "sinks[0]: unknown key `max_byte`; did you mean `max_bytes`?"),
        ([MQTT.replace("host =", "hots =")], "sinks[0]: unknown key `hots`; did you mean `host`?"),
        ([FILES.replace("folder", "#folder")], "sinks[0]: missing key `folder`"),
        ([FILES, FILES], "sinks: the name 'b' stands twice: each once"),
        (
            [FILES + "min_score = 2\n"],
            "sinks[0].min_score: input should be less than or equal to 1",
        ),
        ([FILES + "queue_events = 0\n"], "sinks[0].queue_events: input should be greater than"),
        ([FILES + "types = ['hello']\n"], "sinks[0].types[0]: input should be 'detections', "),
        ([MQTT + "home_assistant = true\n"], "sinks[0]: home_assistant: name 1 to 32 classes"),
        ([MQTT + "password = 'hush'\n"], "sinks[0]: password: goes with username"),
        ([MQTT + "ca = 'x'\n"], "sinks[0]: ca: goes with tls = true"),
        ([MQTT + "prefix = 'a/#'\n"], "sinks[0].prefix: string should match pattern"),
    ],
)
def test_mistakes_name_file_key_and_rule_and_no_secret(
    tmp_path: Path, tables: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, *tables)
    [line] = str(caught.value).splitlines()
    assert line.startswith(f"{tmp_path / 'edge.toml'}: {message}")
    assert "hush" not in line


def test_the_environment_takes_them_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = [{"name": "b", "kind": "jsonl", "folder": "out"}]
    monkeypatch.setenv("EDGE_SINKS", json.dumps(tables))
    assert load().sinks[0].name == "b"


def test_printed_settings_hide_secrets(tmp_path: Path) -> None:
    text = render(loaded(tmp_path, WEBHOOK, MQTT + "username = 'me'\npassword = 'hush'\n"))
    assert "hush" not in text
    assert HIDDEN in text
    printed = tmp_path / "printed.toml"
    printed.write_text(render(loaded(tmp_path, FILES)))
    assert [sink.name for sink in load(printed).sinks] == ["b"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (FILES + "classes = ['person', 'dragon']\n", "sinks[0].classes: 'dragon' is not served"),
        (FILES + "models = ['mine']\n", "sinks[0].models: 'mine' is not served"),
        (WEBHOOK + "ca = 'nowhere.pem'\n", "sinks[0].ca: nowhere.pem: No such file or directory"),
    ],
)
def test_a_server_names_what_it_does_not_have(tmp_path: Path, table: str, message: str) -> None:
    with pytest.raises(StartError) as caught:
        Server(loaded(tmp_path, table))
    assert str(caught.value).startswith(message)


def test_mqtt_without_its_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiomqtt", None)
    with pytest.raises(StartError) as caught:
        Server(loaded(tmp_path, MQTT))
    assert str(caught.value) == (
        "sinks[0].kind: mqtt needs aiomqtt: pip install 'edge-video[mqtt]'"
    )
