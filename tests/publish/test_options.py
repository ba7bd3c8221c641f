"""Flags and files of `edge publish`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.publish.options import OptionsError, load, of_flags, without_credentials

TO = "https://edge.example:8443"


def test_a_file_has_the_server_and_its_sources(tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(
        f"""
        to = "{TO}"
        [[sources]]
        url = "rtsp://joe:secret@10.0.0.5/stream"
        label = "gate"
        slo_ms = 150
        classes = ["car", "person"]
        rtsp_transport = "udp"
        [[sources]]
        url = "/dev/video0"
        encode = true
        """
    )
    options = load(path, insecure=True, token=None)
    gate, device = options.sources
    assert (options.to, options.insecure, options.read_token()) == (TO, True, None)
    assert (gate.kind, gate.name, gate.server_label) == ("rtsp", "gate", "gate")
    assert (gate.slo_ms, gate.classes, gate.rtsp_transport) == (150.0, ["car", "person"], "udp")
    assert (device.kind, device.encode, device.server_label) == ("device", True, "video0")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('[[sources]]\nurl = "a.mp4"\n', "missing key `to`"),
        (f'to = "{TO}"\n', "missing key `sources`"),
        (f'to = "{TO}"\nsources = []\n', "sources: "),
        (f'to = "{TO}"\ntokenfile = "t"\n[[sources]]\nurl = "a"\n', "did you mean `token_file`"),
        (f'to = "{TO}"\n[[sources]]\nurl = "a"\nlabbel = "b"\n', "did you mean `label`"),
        (f'to = "{TO}"\n[[sources]]\nlabel = "b"\n', "sources[0]: missing key `url`"),
        (f'to = "{TO}"\n[[sources]]\nurl = "rtmp://a"\n', "sources[0].url: rtsp, rtsps, http"),
        (f'to = "{TO}"\n[[sources]]\nurl = "a"\nslo_ms = 5\n', "sources[0].slo_ms: "),
        ('to = "edge:8443"\n[[sources]]\nurl = "a"\n', "to: http://HOST:PORT"),
        ("to = \n", "not TOML"),
    ],
)
def test_mistakes_of_a_file_are_named(text: str, line: str, tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(text)
    with pytest.raises(OptionsError) as error:
        load(path)
    assert line in str(error.value)
    assert str(error.value).startswith(f"{path}: ")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_flags_make_one_source() -> None:
    options = of_flags({"url": "street.mp4", "label": None, "loop": True}, to=TO, token="hush")
    [source] = options.sources
    assert (source.kind, source.loop, source.server_label) == ("file", True, "street.mp4")
    assert options.read_token() == "hush"
    assert "hush" not in repr(options)


@pytest.mark.parametrize(
    ("source", "flags", "line"),
    [
        ({"url": "a.mp4"}, {}, "missing key --to"),
        ({"url": "ftp://a"}, {"to": TO}, "url: rtsp, rtsps, http or https, not ftp"),
        ({"url": "rtsp:/joe:s3@h/a"}, {"to": TO}, "url: two slashes after rtsp:"),
        ({"url": "a.mp4", "slo_ms": 1.0}, {"to": TO}, "slo_ms: "),
        ({"url": "a.mp4", "label": "a\nb"}, {"to": TO}, "label: only printable"),
        ({"url": "a.mp4", "classes": ["car", ""]}, {"to": TO}, "classes: names"),
    ],
)
def test_mistakes_of_flags_are_named(
    source: dict[str, object], flags: dict[str, object], line: str
) -> None:
    with pytest.raises(OptionsError) as error:
        of_flags(source, **flags)
    assert line in str(error.value)
    assert "s3" not in str(error.value)


def test_a_scheme_may_be_written_in_capitals() -> None:
    [source] = of_flags({"url": "RTSP://10.0.0.5/A"}, to=TO).sources
    assert (source.url, source.kind) == ("rtsp://10.0.0.5/A", "rtsp")


def test_a_token_is_never_in_an_error(tmp_path: Path) -> None:
    with pytest.raises(OptionsError) as error:
        of_flags({"url": "a.mp4"}, to="no url", token="hush-hush")
    assert "hush" not in str(error.value)
    path = tmp_path / "token"
    path.write_text("  \nhush\n")
    with pytest.raises(OptionsError, match="its first line is the token"):
        of_flags({"url": "a.mp4"}, to=TO, token_file=path).read_token()
    path.write_text("hush\n")
    assert of_flags({"url": "a.mp4"}, to=TO, token_file=path).read_token() == "hush"
    with pytest.raises(OptionsError, match="No such file"):
        of_flags({"url": "a.mp4"}, to=TO, token_file=tmp_path / "none").read_token()


def test_a_flag_replaces_the_files_token(tmp_path: Path) -> None:
    path = tmp_path / "cameras.toml"
    path.write_text(f'to = "{TO}"\ntoken_file = "nowhere"\n[[sources]]\nurl = "a.mp4"\n')
    assert load(path, token="hush").read_token() == "hush"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://joe:s@cret@10.0.0.5:554/a@b", "rtsp://10.0.0.5:554/a@b"),
        ("rtsp://10.0.0.5/a", "rtsp://10.0.0.5/a"),
        ("http://10.0.0.5/mjpg?user=joe&pwd=s", "http://10.0.0.5/mjpg"),
        ("rtsp://h/user=joe_password=s3_channel=1", "rtsp://h/user=joe_password=..._channel=1"),
        ("/dev/video0", "/dev/video0"),
        ("rtsp://joe:s/cr@t/@10.0.0.5:554/a", "rtsp://10.0.0.5:554/a"),  # not escaped, as it should
        ("rtsp://[2001:db8::5]:554/a@b", "rtsp://[2001:db8::5]:554/a@b"),
        ("rtsp://[2001:db8::5]/a@b", "rtsp://[2001:db8::5]/a@b"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


def test_what_a_source_wishes_of_the_server_is_in_its_query() -> None:
    source: dict[str, object] = {"url": "a.mp4", "model": "mine", "classes": ["car", "bus"]}
    assert of_flags(source, to=TO).sources[0].query == {"classes": "car,bus", "model": "mine"}
    assert of_flags({"url": "a.mp4"}, to=TO).sources[0].query == {}
