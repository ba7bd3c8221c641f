"""Packages of the extra `lab`: a command that needs a missing one fails with a line that names it.

with lab_extra("netem link"):
    import pyroute2
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

LAB = frozenset({"highspy", "matplotlib", "onnxruntime", "playwright", "pylibsrtp", "pyroute2"})


class ExtraMissingError(Exception):
    """A command needs a package that only an extra installs; the message is the whole remedy."""


@contextmanager
def lab_extra(command: str) -> Iterator[None]:
    """Turn the ImportError of a missing lab package into an ExtraMissingError.

    Other modules that are missing are a defect, and their ImportError goes through.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in LAB:
            raise
        raise ExtraMissingError(
            f"`{command}` needs {package}: pip install 'edge-video[lab]'"
        ) from error
