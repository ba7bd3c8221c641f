"""Settings: where they come from, which goes first, and how a bad one is named."""

import re
from pathlib import Path

import pytest

import edge
from edge.config import OTHER_VARIABLES, ConfigError, IceServer, Settings, load


def test_flags_go_before_the_environment_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "edge.toml"
    file.write_text("port = 1\nfps = 10\nslo_ms = 200\n")
    monkeypatch.setenv("EDGE_PORT", "2")
    monkeypatch.setenv("EDGE_FPS", "20")
    settings = load(file, port=3)
    assert (settings.port, settings.fps, settings.slo_ms) == (3, 20, 200)


def test_lists_from_the_environment_are_comma_separated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_DEVICE", "cpu, cuda:1")
    monkeypatch.setenv("EDGE_EDGES", "416,320")
    monkeypatch.setenv("EDGE_CODECS", "vp9, vp8")
    settings = load()
    assert settings.codecs == ["vp9", "vp8"]
    assert settings.device == ["cpu", "cuda:1"]
    assert settings.edges == [320, 416]


def test_ice_servers_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('[[ice_servers]]\nurls = ["stun:192.0.2.1"]\n')
    assert load(file).ice_servers == [IceServer(urls=["stun:192.0.2.1"])]


def test_no_ice_server_by_default() -> None:
    assert load().ice_servers == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("port = 99999", "port: input should be less than or equal to 65535"),
        ("slo_ms = 3", "slo_ms: input should be greater"),
        ("slo = 100", "unknown key `slo`; did you mean `slo_ms`?"),
        ('device = ["gpu"]', "device: 'gpu': cpu, cuda:N or sim:PROFILE"),
        ("edges = [100]", "edges: one or more of 128 to 608"),
        ('network = "yolo"', "network: one of"),
        ('[[ice_servers]]\nurls = ["http://x"]', "ice_servers[0].urls: 'http://x'"),
        ("trusted_proxies = ['10.0.0.1', 'x']", "trusted_proxies[1]: value is not a valid IPv4 or"),
        ("admin_token = 'short'", "admin_token: value should have at least 8"),
        (
            '[[ice_servers]]\nurl = "stun:x"',
            "ice_servers[0]: unknown key `url`; did you mean `urls`?",
        ),
        ('cert = "a.pem"', "cert and key are given together"),
        ("port = [", "edge.toml"),
        ('codecs = ["vp8", "av2"]', "codecs[1]"),
        ("codecs = []", "codecs"),
    ],
)
def test_bad_settings_name_file_key_and_rule(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "edge.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert words in str(caught.value)
    assert "edge.toml" in str(caught.value)


def test_every_mistake_of_a_file_is_a_line(tmp_path: Path) -> None:
    file = tmp_path / "edge.toml"
    file.write_text("prot = 8443\nslo = 100\nfps = 'many'\nmax_session = 3\n")
    with pytest.raises(ConfigError) as caught:
        load(file)
    lines = str(caught.value).splitlines()
    assert len(lines) == 4
    assert all(line.startswith(f"{file}: ") for line in lines)
    for words in ("`prot`; did you mean `port`?", "`slo_ms`?", "`max_sessions`?", "fps: input"):
        assert words in str(caught.value)


def test_an_unknown_variable_is_an_error_that_names_the_nearest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("EDGE_PROT", "9")
    monkeypatch.setenv("EDGE_QQQQ", "9")
    with pytest.raises(ConfigError) as caught:
        load()
    assert str(caught.value).splitlines() == [
        "EDGE_PROT: unknown environment variable; did you mean EDGE_PORT?",
        "EDGE_QQQQ: unknown environment variable",
    ]


def test_variables_that_are_read_elsewhere_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    source = "".join(file.read_text() for file in Path(edge.__file__).parent.rglob("*.py"))
    read_elsewhere = set(re.findall(r'"(EDGE_[A-Z_]+)"', source)) - {
        f"EDGE_{key.upper()}" for key in Settings.model_fields
    }
    assert read_elsewhere == set(OTHER_VARIABLES)
    for name in read_elsewhere:
        monkeypatch.setenv(name, "x")
    load()


def test_a_variable_that_is_not_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_ICE_SERVERS", "[")
    with pytest.raises(ConfigError, match="^EDGE_ICE_SERVERS: not JSON: "):
        load()


def test_bad_flag_and_variable_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="--slo-ms"):
        load(slo_ms=1)
    monkeypatch.setenv("EDGE_PORT", "x")
    with pytest.raises(ConfigError, match="EDGE_PORT"):
        load()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="none.toml: no such file"):
        load(tmp_path / "none.toml")


def test_secrets_do_not_print() -> None:
    assert "hush" not in repr(load(token="hush"))


def test_the_old_name_of_the_receivers_rate_control_is_accepted_and_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "edge.toml"
    file.write_text('rate_control = "trains"\n')
    assert load(file).rate_control == "receiver"
    assert "use=receiver" in caplog.text
    with pytest.raises(ConfigError, match="rate-control"):
        load(rate_control="nonsense")
