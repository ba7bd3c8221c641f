"""Why an offer or a candidate list is refused."""

from __future__ import annotations

SHORTAGES = frozenset({"no_ports", "no_descriptors"})
"""Codes of an SdpError that is the server's shortage: the same offer may be used later."""


class SdpError(Exception):
    """An offer or a candidate list that can't be used; `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
