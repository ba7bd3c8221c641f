"""The machine and the software that a measurement was made with."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path


def describe_machine() -> str:
    """Processor and its model, cores that this process may use, and system, in one line.

    The model is part of it because virtual machines call all of a maker's processors by one name.
    """
    cores = len(os.sched_getaffinity(0))
    model = ", ".join(f"{key} {_cpu(key)}" for key in ("cpu family", "model") if _cpu(key))
    name = f"{processor_name()} ({model})" if model else processor_name()
    return f"{name}, {cores} cores, {platform.system()} {platform.machine()}"


def processor_name() -> str:
    """The processor's name as the system reports it."""
    return _cpu("model name") or platform.processor() or platform.machine()


def package_versions(*packages: str) -> dict[str, str]:
    """Python's version, and those of the named packages that are installed."""
    found = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def file_stem(name: str) -> str:
    """A device's name as a file name: "Intel(R) Xeon(R) Processor" -> "intel-xeon-processor"."""
    plain = re.sub(r"\((r|tm|c)\)|@.*", " ", name.lower())
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "device"


def _cpu(key: str) -> str:
    """Linux' value for the first core; "" where there is none."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == key:
                return value.strip()
    return ""
