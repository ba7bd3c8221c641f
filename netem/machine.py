"""How busy this machine is, and what it and the project are: for manifests and summaries."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edge.browser import BrowserMissingError, chromium_path

ROOT = Path(__file__).parent.parent
_PACKAGES = ("aiortc", "av", "numpy", "opencv-python", "playwright", "pyroute2", "torch")


@dataclass(frozen=True, slots=True)
class Load:
    """Processor time used so far, in ticks: by anybody, in all, and by one process."""

    busy: int
    total: int
    process: int

    @classmethod
    def now(cls, pid: int) -> Load:
        """At this moment."""
        numbers = [int(each) for each in Path("/proc/stat").read_text().split("\n")[0].split()[1:9]]
        idle = numbers[3] + numbers[4]  # waiting for a disk is idle
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            process = int(fields[11]) + int(fields[12])
        except OSError:
            process = 0
        return cls(sum(numbers) - idle, sum(numbers), process)

    def since(self, before: Load) -> tuple[float, float]:
        """(share of the machine's time that was used, cores that the process used)."""
        total = max(1, self.total - before.total)
        cores = os.cpu_count() or 1
        return (
            (self.busy - before.busy) / total,
            (self.process - before.process) * cores / total,
        )


def commit() -> str:
    """The commit that this runs from, with `+` where the tree has changes; empty where unknown."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def versions() -> dict[str, str]:
    """Of Python, the kernel, the browser and the packages that matter here."""
    found = {"python": platform.python_version(), "kernel": platform.release()}
    for name in _PACKAGES:
        found[name] = importlib.metadata.version(name)
    try:
        said = subprocess.run(
            [chromium_path(), "--version"], capture_output=True, text=True, check=False
        )
        found["chromium"] = said.stdout.strip()
    except BrowserMissingError:
        pass
    return found


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()
