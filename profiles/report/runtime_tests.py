"""The tests of the code that runs networks on devices, run as a part of a report."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import profiles
from profiles.report.device_report import SuiteOutcome

_FOLDER = "tests/models/runtime"
_LIMIT_S = 1_800.0


def run_tests(folder: Path | None = None, *, limit_s: float = _LIMIT_S) -> SuiteOutcome | None:
    """The runtimes' tests, or those in `folder`; some need a GPU, and are skipped without one.

    None where there are no tests, as in an installed package.
    """
    root = Path(profiles.__file__).parent.parent
    folder = folder or Path(_FOLDER)
    if not (root / folder).is_dir():
        return None
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(folder)]
    try:
        done = subprocess.run(
            command, cwd=root, capture_output=True, text=True, timeout=limit_s, check=False
        )
    except subprocess.TimeoutExpired:
        return SuiteOutcome(f"pytest {folder}", 1, f"not done in {limit_s:.0f} s")
    lines = done.stdout.strip().splitlines() or done.stderr.strip().splitlines() or ["no output"]
    return SuiteOutcome(f"pytest {folder}", done.returncode, lines[-1].strip("= "))
