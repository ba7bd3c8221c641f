"""What a measured file says of where it comes from."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shlex
from collections.abc import Sequence
from pathlib import Path


def machine() -> str:
    """Processor, cores that this process may use, and system, in one line."""
    cores = len(os.sched_getaffinity(0))
    return f"{processor()}, {cores} cores, {platform.system()} {platform.machine()}"


def processor() -> str:
    """The processor's name as the system knows it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions(*packages: str) -> dict[str, str]:
    """Python's and the named packages' versions."""
    found = {name: importlib.metadata.version(name) for name in packages}
    return {"python": platform.python_version(), **found}


def command_line(arguments: Sequence[str], before: str = "") -> str:
    """The command, as one would type it again, after those that made the file `before`."""
    line = "python -m profiles " + shlex.join(arguments)
    lines = before.split("; ") if before else []
    return "; ".join([*(each for each in lines if each != line), line])
