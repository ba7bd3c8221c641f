"""Loggers of events: a name with keys and values, `log.info("drain", on=True)`.

They write to Python's logging: a record's message is the event in logfmt (`event=drain on=true`),
and its attribute `event` holds the same as a dict. edge/observability/logs.py makes lines of both.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Within, a package that is not loaded yet is as if it were not installed."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # so that importing it fails
    try:
        yield
    finally:
        del sys.modules[package]


# structlog's console formatter, which is not used, would load Rich into every process: 0.2 s.
with _hidden("rich"):
    import structlog

bound_contextvars = structlog.contextvars.bound_contextvars
get_contextvars = structlog.contextvars.get_contextvars

_LOGFMT = structlog.processors.LogfmtRenderer(bool_as_flag=False)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of events called `name`; lines of `name` in Python's logging."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[structlog.stdlib.filter_by_level, _to_record],
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return logger


def _to_record(
    logger: Any, method: str, event: structlog.typing.EventDict
) -> tuple[tuple[str], dict[str, Any]]:
    """Arguments for Python's logger. Values are rendered now, since objects may change later."""
    exception = {"exc_info": event.pop("exc_info")} if "exc_info" in event else {}
    values = {"event": event["event"]} | {key: _plain(value) for key, value in event.items()}
    return (_LOGFMT(logger, method, values),), {"extra": {"event": values}, **exception}


def _plain(value: object) -> str | float | None:
    return value if value is None or isinstance(value, str | int | float) else str(value)
