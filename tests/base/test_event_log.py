"""Events reach Python's logging as a line of logfmt and as a dict."""

from __future__ import annotations

import logging

import pytest

from edge.base.event_log import get_logger


def _event(record: logging.LogRecord) -> dict[str, object]:
    event: dict[str, object] = record.__dict__["event"]
    return event


def test_an_event_is_logfmt_with_its_name_first(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    get_logger("edge.test").info("joined", label='a "door"', n=3, ms=2.5, on=True, size=None)
    [record] = caplog.records
    assert (record.name, record.levelname) == ("edge.test", "INFO")
    assert record.getMessage() == r'event=joined label="a \"door\"" n=3 ms=2.5 on=true size='
    assert _event(record) == {
        "event": "joined", "label": 'a "door"', "n": 3, "ms": 2.5, "on": True, "size": None,
    }  # fmt: skip


def test_values_are_rendered_when_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    values = [1]
    get_logger("edge.test").info("list", values=values, error=ValueError("no 100%"))
    values.append(2)
    [record] = caplog.records
    assert _event(record) == {"event": "list", "values": "[1]", "error": "no 100%"}
    assert record.getMessage() == 'event=list values=[1] error="no 100%"'


def test_an_exception_is_the_records_own(caplog: pytest.LogCaptureFixture) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        get_logger("edge.test").exception("failed", part="a")
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert _event(record) == {"event": "failed", "part": "a"}


def test_events_below_the_level_cost_no_rendering(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")

    class Value:
        def __str__(self) -> str:
            raise AssertionError("rendered")

    get_logger("edge.test").debug("detail", value=Value())
    assert caplog.records == []
