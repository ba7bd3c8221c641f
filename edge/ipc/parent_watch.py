"""A helper process that lives exactly as long as its server."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with(server_pid: int) -> None:
    """End when the server does, however it ends; until then only the server's word counts.

    Signals meant for the whole group (Ctrl-C, a service manager's SIGTERM) are the server's to
    answer: it lets work in flight finish, and then tells its helpers to stop.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _ask(signal.SIGKILL)
    if os.getppid() != server_pid:  # it died before the request was made
        sys.exit(1)


def end_with_parent() -> None:
    """Between fork and exec: SIGTERM for the program to come once who starts it is gone."""
    _ask(signal.SIGTERM)


def _ask(number: signal.Signals) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, number)
