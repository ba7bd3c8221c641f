"""Control messages: valid ones, ignored ones, and refusals in words."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.session.control.control_messages import (
    MAX_MESSAGE_BYTES,
    Applied,
    BackTime,
    Hello,
    PageReport,
    Ping,
    ProtocolError,
    detections,
    message,
    parse,
)


def test_hello_is_read_whole() -> None:
    hello = parse('{"type": "hello", "version": 1, "slo_ms": 150, "fps": 15, "label": "door"}')
    assert hello == Hello(type="hello", version=1, slo_ms=150, fps=15, label="door")


def test_a_report_is_read_without_the_fields_that_are_not_used() -> None:
    report = parse(
        '{"type": "report", "available_bps": 2.5e6, "rtt_ms": null, "width": 640,'
        ' "shown": {"n": 7, "late": 1, "p50_ms": 40.5}, "back_ms": {"p50": 1, "p99": 3.5}}'
    )
    assert report == PageReport(type="report", available_bps=2.5e6, back_ms=BackTime(p50=1))


def test_ping_and_applied() -> None:
    assert parse('{"type": "ping", "t0_ms": 1.5}') == Ping(type="ping", t0_ms=1.5)
    assert parse('{"type": "applied", "seq": 3}') == Applied(type="applied", seq=3)


def test_unknown_types_and_fields_are_ignored() -> None:
    assert parse('{"type": "dance"}') is None
    assert parse('{"type": "applied", "seq": 3, "new": [1]}') == Applied(type="applied", seq=3)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('{"type": "ping", "t0', "not_json", "not JSON"),
        ("", "not_json", "not JSON"),
        (b"\x00\x01", "not_json", "binary"),
        ("[1, 2]", "not_an_object", "object"),
        ("3", "not_an_object", "object"),
        ("{}", "no_type", "type"),
        ('{"type": 3}', "no_type", "type"),
        ('{"type": "ping"}', "bad_field", "`t0_ms`: field required"),
        ('{"type": "ping", "t0_ms": "1"}', "bad_field", "`t0_ms`"),
        ('{"type": "ping", "t0_ms": NaN}', "bad_field", "`t0_ms`"),
        ('{"type": "hello", "version": 1, "slo_ms": 1}', "bad_field", "`slo_ms`"),
        ('{"type": "hello", "version": 1, "fps": 0}', "bad_field", "`fps`"),
        (r'{"type": "hello", "version": 1, "label": "a\u0007"}', "bad_field", "`label`"),
        ('{"type": "applied", "seq": -1}', "bad_field", "`seq`"),
        ('{"type": "report", "back_ms": {"p50": -1}}', "bad_field", "`back_ms.p50`"),
        ("[" * 10_000, "not_json", "not JSON"),
        ('{"type": "' + "x" * 1_000_000 + '"}', "too_large", str(MAX_MESSAGE_BYTES)),
    ],
)
def test_bad_messages_are_refused_in_words(text: str | bytes, code: str, words: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        parse(text)
    assert caught.value.code == code
    assert words in str(caught.value)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
_fields = st.sampled_from(["version", "slo_ms", "fps", "t0_ms", "seq", "shown", "rtt_ms", "label"])


@given(
    st.sampled_from(["hello", "ping", "report", "applied", "?"]), st.dictionaries(_fields, _json)
)
def test_any_json_is_read_ignored_or_refused(kind: str, fields: dict[str, object]) -> None:
    try:
        parse(json.dumps({"type": kind, **fields}))
    except ProtocolError as error:
        assert error.code in ("bad_field", "too_large", "not_json")


@given(st.text() | st.binary())
def test_any_text_is_read_ignored_or_refused(text: str | bytes) -> None:
    try:
        parse(text)
    except ProtocolError as error:
        assert str(error)


def test_messages_leave_out_fields_without_a_value() -> None:
    assert json.loads(message("stats", link_bps=None, edge=416)) == {"type": "stats", "edge": 416}


def test_detections_carry_names_fractions_and_times() -> None:
    text = detections(
        7, "yolov4-tiny-416", 2, [("bus", 0.66666, 0.123456, 0, 1, 1)], {"sent": 12.3456}
    )
    assert json.loads(text) == {
        "type": "detections",
        "rtp": 7,
        "variant": "yolov4-tiny-416",
        "batch": 2,
        "boxes": [["bus", 0.667, 0.1235, 0, 1, 1]],
        "t": {"sent": 12.35},
    }
