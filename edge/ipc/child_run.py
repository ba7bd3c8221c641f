"""A program run to its end in a process of its own: what this process is not to load or bear."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]  # the folder that holds the package `edge`
# Settings that hold secrets: a child that needs one gets it in a message, not by its environment.
_SECRETS = {"EDGE_TOKEN", "EDGE_TOKENS", "EDGE_ADMIN_TOKEN", "EDGE_TURN_SECRET", "EDGE_ICE_SERVERS"}


class ChildRunError(Exception):
    """The program failed, or took too long; the message has the reason."""


def child_environment() -> dict[str, str]:
    """This process's variables for a child that runs this package: without the secrets."""
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    inherited = {name: text for name, text in os.environ.items() if name.upper() not in _SECRETS}
    return {**inherited, "PYTHONPATH": path}


def run_child(command: Sequence[str], arguments: Sequence[str], timeout_s: float) -> None:
    """Run `command` with this process's id and `arguments`; ChildRunError with the last line of its
    errors unless it ends well. The program sees to it that it ends with this process
    (`edge.ipc.parent_watch`)."""
    try:
        done = subprocess.run(
            [*command, str(os.getpid()), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired:
        raise ChildRunError(f"it took more than {timeout_s:g} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise ChildRunError(lines[-1][:300])
