"""A benchmark's progress on standard error."""

from __future__ import annotations

import sys


def progress(text: str) -> None:
    """Show what is being done; "" when all is."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)
