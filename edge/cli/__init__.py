"""Commands of `edge` (or `python -m edge`): one module each, with `add_parser` and `run`.

A command's module is light to import: what is large (PyTorch, aiortc, Playwright) loads in `run`.
"""

from __future__ import annotations

import sys

EXIT_FAILED, EXIT_USAGE = 1, 2


def fail(message: str, status: int = EXIT_FAILED) -> int:
    """Print one line that names the error on standard error; return the exit status."""
    print(f"error: {message}", file=sys.stderr)
    return status
