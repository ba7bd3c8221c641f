"""The server's clock: monotonic milliseconds, the same in all processes of a machine."""

from __future__ import annotations

import time


def now_ms() -> float:
    """Milliseconds since an arbitrary moment, never going back."""
    return time.monotonic() * 1000.0
