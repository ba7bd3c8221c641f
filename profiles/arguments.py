"""Flags that several commands share."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence

from edge.profile.variant import Variant


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


def variant_names(text: str) -> list[str]:
    """Names of variants, with commas between them."""
    try:
        return [Variant.parse(name).name for name in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def batch_sizes(text: str) -> tuple[int, ...]:
    """Batch sizes, with commas between them; in order, each once."""
    batches = tuple(sorted({int(part) for part in text.split(",")}))
    if not all(1 <= batch <= 64 for batch in batches):
        raise argparse.ArgumentTypeError(f"{text}: batches of 1 to 64")
    return batches


def of_network(names: Sequence[str] | None, network: str, sides: Sequence[int]) -> list[str]:
    """The variants in `names`, or the network's of all `sides`; UsageError for another's."""
    found = names or [Variant(network, side).name for side in sides]
    if unknown := [name for name in found if Variant.parse(name).network != network]:
        raise UsageError(f"--variants: {unknown[0]} is not a variant of {network}")
    return list(found)


def command_line(arguments: Sequence[str], before: str = "") -> str:
    """The command as typed, after the commands `before` that made the file so far."""
    line = "python -m profiles " + shlex.join(arguments)
    lines = before.split("; ") if before else []
    return "; ".join([*(each for each in lines if each != line), line])
