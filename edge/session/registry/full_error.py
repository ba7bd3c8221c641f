"""Why no session can be admitted."""

from __future__ import annotations


class FullError(Exception):
    """No session can be admitted now. `code`: draining, not_ready, full, address_full,
    half_open_full, address_half_open, token_full, busy, or lost (with its ingest process)."""

    def __init__(self, code: str, message: str, slo_ms: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.slo_ms = slo_ms
        """The least objective at which it would be admitted, where one is known."""
