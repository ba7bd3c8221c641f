"""Processor use and versions of this machine: for manifests and summaries."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from edge.assets.browser import BrowserMissingError, chromium_path

ROOT = Path(__file__).parents[2]
_PACKAGES = ("aiortc", "av", "numpy", "opencv-python-headless", "playwright", "pyroute2", "torch")


@dataclass(frozen=True, slots=True)
class MachineLoad:
    """Processor time since boot, in clock ticks: used by all processes, available in total, used by
    one process, and by all processes of a run."""

    busy: int
    total: int
    process: int
    own: int

    @classmethod
    def now(cls, pid: int, own: Iterable[int]) -> MachineLoad:
        """The load now; `own` are the run's long-lived processes."""
        numbers = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        idle = numbers[3] + numbers[4]  # waiting for a disk is idle
        return cls(sum(numbers) - idle, sum(numbers), _ticks(pid), sum(map(_ticks, own)))

    def since(self, before: MachineLoad) -> ProcessorUsage:
        """The use between two samples."""
        total = max(1, self.total - before.total)
        busy = self.busy - before.busy
        return ProcessorUsage(
            all=busy / total,
            others=max(0, busy - (self.own - before.own)) / total,
            process_cores=(self.process - before.process) * (os.cpu_count() or 1) / total,
        )


class ProcessorUsage(NamedTuple):
    """Shares of the machine's processor time: used in total, and by processes other than the run's;
    and the cores that the one process used."""

    all: float
    others: float
    process_cores: float


def _ticks(pid: int) -> int:
    """A process's ticks, 0 if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def commit() -> str:
    """The running commit, with `+` if the tree has changes; empty if unknown."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def versions() -> dict[str, str]:
    """Versions of Python, the kernel, the browser and the relevant packages."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for name in _PACKAGES:
        found[name] = importlib.metadata.version(name)
    try:
        done = subprocess.run(
            [chromium_path(), "--version"], capture_output=True, text=True, check=False
        )
        found["chromium"] = done.stdout.strip()
    except BrowserMissingError:
        pass
    return found


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
