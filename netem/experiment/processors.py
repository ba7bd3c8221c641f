"""The processors of a run: some are the server's alone, the others are for all that it serves.

Where browsers and their encoders share the server's processors, eight of them starve the server
that they measure. Linux alone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass


class ProcessorsError(ValueError):
    """Processors that this machine does not have, or that leave none for the clients."""


@dataclass(frozen=True, slots=True)
class Processors:
    """Numbers of the processors of the server, and of clients, browsers and links."""

    server: frozenset[int]
    clients: frozenset[int]


def divide(server_cpus: Collection[int], allowed: Collection[int]) -> Processors:
    """The server's part of the allowed processors; none named: all are shared.

    Raises ProcessorsError.
    """
    mine, everything = frozenset(server_cpus), frozenset(allowed)
    if not mine:
        return Processors(everything, everything)
    listed = ", ".join(map(str, sorted(everything)))
    if unknown := sorted(mine - everything):
        raise ProcessorsError(f"server_cpus: {unknown[0]} is not one of this machine's: {listed}")
    if mine == everything:
        raise ProcessorsError(f"server_cpus: all of {listed} leaves none for the clients")
    return Processors(mine, everything - mine)


@contextlib.contextmanager
def running_on(cpus: Collection[int]) -> Iterator[None]:
    """This thread, and the processes that it starts meanwhile, run on these processors alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
