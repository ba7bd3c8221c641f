"""How a worker process is started."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from edge.ipc.child_process import ChildProcess
from edge.ipc.shared_memory import SharedPictures
from edge.workers.messages import Message, decode, encode

COMMAND = (sys.executable, "-P", "-m", "edge.workers")

# OpenMP's threads spin for milliseconds at each barrier by default. Where something else needs the
# cores (the browser of the demo, the decoders), a spinning thread keeps the one it waits for from
# running, and an inference takes several times as long.
OPENMP = {"GOMP_SPINCOUNT": "1000"}


def start(
    slots: SharedPictures,
    *,
    on_message: Callable[[Message], None],
    on_lost: Callable[[str], None],
    command: Sequence[str] = COMMAND,
) -> ChildProcess[Message]:
    """The process, which owns `slots` from here on. OSError if it can't be started."""
    return ChildProcess(
        slots,
        encode=encode,
        decode=decode,
        on_message=on_message,
        on_lost=on_lost,
        command=command,
        environment=OPENMP,
    )
