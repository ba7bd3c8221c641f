"""Numbers that wrap: RTP sequence numbers and timestamps, abs-send-time, transport-wide numbers."""

from __future__ import annotations


def signed_difference(number: int, reference: int, bits: int) -> int:
    """`number - reference` modulo 2**`bits`, as the value nearest to zero (RFC 1982)."""
    half = 1 << (bits - 1)
    return ((number - reference + half) & ((1 << bits) - 1)) - half


class Unwrapper:
    """Numbers of `bits` bits as integers that never wrap, each within half a cycle of the last."""

    __slots__ = ("_bits", "_last")

    def __init__(self, bits: int) -> None:
        self._bits = bits
        self._last: int | None = None

    def unwrap(self, number: int) -> int:
        """The unwrapped number; further numbers are counted from it."""
        self._last = self.peek(number)
        return self._last

    def peek(self, number: int) -> int:
        """The unwrapped number; the reference stays."""
        if self._last is None:
            return number
        return self._last + signed_difference(number, self._last, self._bits)
