"""What both commands' flags have in common."""

from __future__ import annotations

import argparse
import re


class UsageError(ValueError):
    """Flags that don't go together; the message names them."""


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
