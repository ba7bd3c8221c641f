"""Why an offer or a candidate list is refused."""

from __future__ import annotations

import errno

SHORTAGES = frozenset({"no_ports", "no_descriptors"})
"""Codes of an SdpError that is the server's shortage: the same offer may be used later."""


class SdpError(Exception):
    """An offer or a candidate list that can't be used; `code` is for programs."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def shortage(error: OSError) -> SdpError:
    """What a publisher is told of it: no fault of the offer's, and no address of this machine."""
    if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
        return SdpError("no_descriptors", "the server has too many open sockets: try again later")
    return SdpError("no_ports", "the server has no free UDP port: try again later")
