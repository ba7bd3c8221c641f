"""Links come and go only while no other process tests a browser.

Chromium ends all its requests, those over the loopback too, when an interface of the machine
appears or goes (net::ERR_NETWORK_CHANGED).
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

FOLDER = Path(tempfile.gettempdir())


@contextmanager
def _locked(name: str, how: int) -> Iterator[None]:
    with (FOLDER / f"edge-tests-{os.getuid()}-{name}.lock").open("w") as file:
        fcntl.flock(file, how)
        yield


@contextmanager
def network(*, changes: bool) -> Iterator[None]:
    """For one who `changes` the machine's interfaces alone, or for all who need them as they are.

    Whoever waits is next: nobody enters before.
    """
    with ExitStack() as stack:
        with _locked("turn", fcntl.LOCK_EX):
            stack.enter_context(_locked("network", fcntl.LOCK_EX if changes else fcntl.LOCK_SH))
        yield
