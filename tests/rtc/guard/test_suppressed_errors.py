"""Exceptions are counted, and the first of each kind is logged."""

from __future__ import annotations

import logging

import pytest

from edge.rtc.guard.suppressed_errors import SuppressedErrors


def test_the_first_failure_of_each_kind_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    errors = SuppressedErrors()
    with caplog.at_level(logging.ERROR):
        for where in ("on_frame", "on_frame", "on_message", "on_frame", "on_message"):
            try:
                raise ValueError(where)
            except ValueError:
                errors.add(where)
    assert errors.count == 5
    assert [record.getMessage() for record in caplog.records] == [
        "event=handler_failed where=on_frame",
        "event=handler_failed where=on_message",
    ]
    assert all(record.exc_info for record in caplog.records)
