"""Simulcast: which of the layers offered is asked for."""

from __future__ import annotations

import pytest

from edge.rtc.rtp import REPAIRED_STREAM_ID, STREAM_ID
from edge.rtc.sdp import read_offer, violations
from edge.rtc.sdp.description import read_description
from edge.rtc.sdp.simulcast import MAX_LAYERS
from tests.rtc.sdp.offers import VIDEO, answered, offer


def _offered(simulcast: str, rids: dict[str, str] | list[str]) -> str:
    restrictions = rids if isinstance(rids, dict) else dict.fromkeys(rids, "")
    lines = "".join(f"a=rid:{rid} send{rest}\n" for rid, rest in restrictions.items())
    extensions = f"a=extmap:10 {STREAM_ID}\na=extmap:11 {REPAIRED_STREAM_ID}\n"
    return offer(VIDEO + lines + extensions + f"a=simulcast:{simulcast}\n")


def _sizes(**widths: int) -> dict[str, str]:
    return {rid: f" max-width={width};max-height={width // 2}" for rid, width in widths.items()}


@pytest.mark.parametrize(
    ("simulcast", "rids", "best"),
    [
        ("send q;h;f", ["q", "h", "f"], "f"),
        ("send f;h;q", ["f", "h", "q"], "f"),
        ("send h;m;l", ["h", "m", "l"], "h"),
        ("send l;m;h", ["l", "m", "h"], "h"),
        ("send s;m;l", ["s", "m", "l"], "l"),
        ("send hi;mid;lo", ["hi", "mid", "lo"], "hi"),
        ("send LOW;HIGH", ["LOW", "HIGH"], "HIGH"),
        ("send 1080p;720p;360p", ["1080p", "720p", "360p"], "1080p"),
        ("send hd;sd;ld", ["hd", "sd", "ld"], "hd"),
        ("send large;small;tiny", ["large", "small", "tiny"], "large"),
        ("send max;mid;min", ["max", "mid", "min"], "max"),
        ("send big;medium;small", ["big", "medium", "small"], "big"),
        ("send high;standard;low", ["high", "standard", "low"], "high"),
        ("send hires;lores", ["hires", "lores"], "hires"),
        ("send hq;mq;lq", ["hq", "mq", "lq"], "hq"),
        ("send video-high;video-low", ["video-high", "video-low"], "video-high"),
        ("send cameraHD;cameraSD", ["cameraHD", "cameraSD"], "cameraHD"),
        ("send lowRes;highRes", ["lowRes", "highRes"], "highRes"),
        ("send high_720p;low_180p", ["high_720p", "low_180p"], "high_720p"),
        ("send h264-f;h264-h", ["h264-f", "h264-h"], "h264-f"),
        ("send 1280x720;320x180", ["1280x720", "320x180"], "1280x720"),
        ("send x", ["x"], "x"),
        ("send x;x", ["x"], "x"),
        ("recv x send q;h;f", ["q", "h", "f"], "f"),
        ("send q;h;~f", ["q", "h", "f"], "h"),  # f is paused
        ("send q;h,f", ["q", "f"], "f"),  # of the alternatives, one is described
        ("send q;h;f", {"q": "", "h": "", "f": " pt=55"}, "h"),  # of a type that is not answered
        ("send q;h;f", {"q": "", "h": "", "f": " pt=96;max-fps=30"}, "f"),
        ("send a;b;c", _sizes(a=320, b=640, c=1280), "b"),  # all that a network sees
        ("send a;b;c", _sizes(a=1920, b=1280, c=960), "c"),
        ("send a;b", _sizes(a=512, b=256), "a"),
    ],
)
def test_the_best_layer_is_asked_for(
    simulcast: str, rids: dict[str, str] | list[str], best: str
) -> None:
    read, answer = answered(_offered(simulcast, rids))
    lines = answer.splitlines()
    assert f"a=simulcast:recv {best}" in lines
    [rid] = [line for line in lines if line.startswith("a=rid:")]
    assert rid.startswith(f"a=rid:{best} recv")
    assert "pt=" not in rid
    assert f"a=extmap:10 {STREAM_ID}" in lines
    assert not violations(read.description, read_description(answer))


@pytest.mark.parametrize(
    ("simulcast", "rids", "taken"),
    [
        ("r2;r1;r0", ["r2", "r1", "r0"], "r2;r1;r0"),
        ("1;2", ["1", "2"], "1;2"),
        ("top;bottom", ["top", "bottom"], "top;bottom"),
        ("m;l", ["m", "l"], "m;l"),  # large, or low
        ("a-low;b-high", ["a-low", "b-high"], "b-high"),
        ("hi_180p;lo_720p", ["hi_180p", "lo_720p"], "hi_180p;lo_720p"),  # a contradiction
        ("cam-high;screen-high", ["cam-high", "screen-high"], "cam-high;screen-high"),
        ("video;video-low", ["video", "video-low"], "video;video-low"),
        ("x;~y;z", ["x", "y", "z"], "x;z"),  # y is paused
        ("x;y,w;z", ["x", "w", "z"], "x;w;z"),
        ("x;y", {"x": " max-width=640", "y": ""}, "x;y"),
    ],
)
def test_all_layers_are_asked_for_where_nothing_tells_which_is_the_best(
    simulcast: str, rids: dict[str, str] | list[str], taken: str
) -> None:
    read, answer = answered(_offered(f"send {simulcast}", rids))
    lines = answer.splitlines()
    assert [line for line in lines if "simulcast" in line] == [f"a=simulcast:recv {taken}"]
    described = [line.split(" ")[:2] for line in lines if line.startswith("a=rid:")]
    assert described == [[f"a=rid:{rid}", "recv"] for rid in taken.split(";")]
    assert not violations(read.description, read_description(answer))


def test_restrictions_of_all_layers_are_answered() -> None:
    _, answer = answered(_offered("send x;y", {"x": " pt=96;max-width=640", "y": " max-fps=30"}))
    lines = [line for line in answer.splitlines() if line.startswith("a=rid:")]
    assert lines == ["a=rid:x recv max-width=640", "a=rid:y recv max-fps=30"]


@pytest.mark.parametrize(
    "text",
    [
        offer(VIDEO),
        _offered("recv q;h", ["q", "h"]),
        _offered("send q;h", []),
        _offered("", ["q"]),
        _offered("send", ["q"]),
        offer(VIDEO + "a=rid:q recv\na=simulcast:send q\n"),
    ],
)
def test_what_is_no_simulcast_is_answered_as_such(text: str) -> None:
    read, answer = answered(text)
    assert read.asked == ()
    assert "a=rid" not in answer
    assert "a=simulcast" not in answer


def test_layers_are_bounded() -> None:
    rids = [f"x{number}" for number in range(2 * MAX_LAYERS)]
    read = read_offer(_offered("send " + ";".join(rids), rids))
    assert [layer.rid for layer in read.asked] == rids[:MAX_LAYERS]


def test_a_layer_that_was_not_offered_is_found_out() -> None:
    read, answer = answered(_offered("send q;f", ["q", "f"]))
    found = violations(read.description, read_description(answer.replace("rid:f", "rid:g")))
    assert found == ["video section v: a=rid:g was not offered (RFC 8851, section 6.3)"]
