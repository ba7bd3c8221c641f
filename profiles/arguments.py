"""Flags that both commands share."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence


class UsageError(ValueError):
    """Flags that do not go together; the message names them."""


def torch_device(text: str) -> str:
    """A device that runs real networks."""
    if re.fullmatch(r"cpu|cuda:\d+", text) is None:
        raise argparse.ArgumentTypeError(f"{text!r}: cpu or cuda:N")
    return text


def any_device(text: str) -> str:
    """A device that a worker can be started for."""
    return text if re.fullmatch(r"sim:.+", text) else torch_device(text)


def positive(text: str) -> int:
    """A whole number from 1 to 100,000."""
    value = int(text)
    if not 1 <= value <= 100_000:
        raise argparse.ArgumentTypeError(f"{text}: 1 to 100000")
    return value


def command_line(arguments: Sequence[str], before: str = "") -> str:
    """The command as typed, after the commands `before` that made the file so far."""
    line = "python -m profiles " + shlex.join(arguments)
    lines = before.split("; ") if before else []
    return "; ".join([*(each for each in lines if each != line), line])
