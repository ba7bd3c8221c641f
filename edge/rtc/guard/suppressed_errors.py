"""Exceptions that were kept from ending a transport."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from edge.base.event_log import get_logger

_log = get_logger(__name__)


@dataclass(slots=True)
class SuppressedErrors:
    """Exceptions kept from ending a transport; the first of each kind is logged."""

    count: int = 0
    kinds: set[str] = field(default_factory=set)

    def add(self, where: str) -> None:
        """Count the present exception, if any; its kind `where` is one of a few names."""
        self.count += 1
        if where not in self.kinds:
            self.kinds.add(where)
            _log.error("handler_failed", where=where, exc_info=sys.exc_info()[0] is not None)
