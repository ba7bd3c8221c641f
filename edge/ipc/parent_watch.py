"""Ends a child process when its parent ends."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent_pid: int) -> None:
    """SIGKILL for this process once its parent has ended; SIGINT and SIGTERM are ignored.

    Signals sent to the whole group (Ctrl-C, a service manager's SIGTERM) are the server's to
    handle: it lets work in flight finish and then stops its children by a message.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _set_death_signal(signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the signal was set
        sys.exit(1)


def terminate_with_parent() -> None:
    """Between fork and exec: SIGTERM for the new program once its parent has ended."""
    _set_death_signal(signal.SIGTERM)


def _set_death_signal(number: signal.Signals) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
