"""Bounds on the datagrams of one publisher, whatever their protocol.

A publisher is known by the addresses that its authenticated ICE checks came from. Datagrams from
elsewhere are dropped unread, except for a few STUN checks, and do not count as its own: nobody can
end the session of another by sending to its port, without forging its source address. Pure: time is
an argument, in ms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from edge.rtc.guard.budgets import ProcessorBudget, TokenBucket
from edge.rtc.guard.suppressed_errors import SuppressedErrors
from edge.rtc.rtp import is_rtcp

Address = tuple[str, int]

HEADER_BYTES = 28  # of IPv4 and UDP: an empty datagram costs something, too
MAX_ADDRESSES = 16  # of one publisher; a phone that changes networks uses one or two each time
PACKETS_PER_S, PACKETS_BURST = 400.0, 512.0
"""STUN and DTLS of the publisher: about 100 messages, and acknowledgements of its results."""
RTCP_PER_S, RTCP_BURST = 100.0, 200.0
"""Compound packets: a browser sends a report or two a second, and feedback on nothing of ours."""
REFUSED_PER_S, REFUSED_BURST = 100.0, 200.0
"""Datagrams of the publisher above these rates, before it is a flood, which ends its session."""
FORGED_PER_S, FORGED_BURST = 500.0, 1000.0
"""The same for media that is not authentic, or a replay: a network that duplicates every packet of
4 Mbit/s causes 400 a second."""
STRANGERS_PER_S, STRANGERS_BURST = 100.0, 128.0
"""STUN from addresses not authenticated yet: a browser sends about 20 checks a second."""
ERRORS_PER_S, ERRORS_BURST = 5.0, 10.0
"""STUN error responses: they go to whatever source address a datagram names."""
VIOLATIONS_PER_S, MAX_VIOLATIONS = 1.0 / 60.0, 8.0
"""Forbidden SCTP packets: a peer that follows RFC 8831 sends none, or one after a lost reply."""


class TransportGuard:
    """Admits or refuses datagrams, and ends the session of an offender.

    `on_offence(code, reason)` is called once, with "abuse" or "excess"; nothing is admitted after
    it. `max_processor_share` is in cores; None: not bounded.
    """

    def __init__(
        self,
        on_offence: Callable[[str, str], None],
        errors: SuppressedErrors,
        max_processor_share: float | None = None,
    ) -> None:
        self.errors = errors
        self.ended = False
        self.received_bytes = 0  # at the sockets, from the publisher's addresses, with headers
        self.refused: Counter[str] = Counter()  # datagrams dropped, by reason
        self._taken: Counter[str] = Counter()
        self._on_offence = on_offence
        self._max_processor_share = max_processor_share
        share = max_processor_share
        self._processor = None if share is None else ProcessorBudget(share)
        self._addresses: set[Address] = set()
        self._packets = TokenBucket(PACKETS_PER_S, PACKETS_BURST)
        self._rtcp = TokenBucket(RTCP_PER_S, RTCP_BURST)
        self._refused = TokenBucket(REFUSED_PER_S, REFUSED_BURST)
        self._forged = TokenBucket(FORGED_PER_S, FORGED_BURST)
        self._strangers = TokenBucket(STRANGERS_PER_S, STRANGERS_BURST)
        self._errors = TokenBucket(ERRORS_PER_S, ERRORS_BURST)
        self._violations = TokenBucket(VIOLATIONS_PER_S, MAX_VIOLATIONS)

    def admits(self, data: bytes, address: Address, now_ms: float) -> bool:
        """Whether a datagram may be read; it counts as received if it is the publisher's."""
        if self.ended:
            return False
        first = data[0] if data else 255
        if address not in self._addresses:
            if first > 3:
                self.refused["stranger"] += 1
            elif self._strangers.take(now_ms):
                return True
            else:
                self.refused["stranger's STUN"] += 1
            return False
        self.received_bytes += len(data) + HEADER_BYTES
        if 127 < first < 192:
            if not is_rtcp(data) or self._rtcp.take(now_ms):
                return True
            self._discard("RTCP rate", self._refused, now_ms)
        elif first >= 64:
            self._discard("unknown protocol", self._refused, now_ms)
        elif self._packets.take(now_ms):
            return True
        else:
            self._discard("packet rate", self._refused, now_ms)
        return False

    def learn(self, address: Address) -> bool:
        """An authenticated check came from there; False if the publisher has too many addresses."""
        if address in self._addresses:
            return True
        if len(self._addresses) >= MAX_ADDRESSES:
            self.refused["too many addresses"] += 1
            return False
        self._addresses.add(address)
        return True

    def knows(self, address: Address) -> bool:
        """Whether datagrams from there are the publisher's own."""
        return address in self._addresses

    @property
    def checked(self) -> bool:
        """Whether an authenticated check has come."""
        return bool(self._addresses)

    def may_respond_with_error(self, now_ms: float) -> bool:
        if self._errors.take(now_ms):
            return True
        self.refused["STUN error rate"] += 1
        return False

    def forged(self, now_ms: float) -> None:
        """A packet of media came that no key authenticates, or came again; a flood ends it."""
        self._discard("not authentic", self._forged, now_ms)

    def _discard(self, reason: str, bucket: TokenBucket, now_ms: float) -> None:
        self.refused[reason] += 1
        if not bucket.take(now_ms):
            self._end("excess", f"too many useless packets were sent: {reason}")

    def refuse(self, reason: str) -> None:
        """Count a datagram that was read and dropped; `reason` is one of a few."""
        self.refused[reason] += 1

    def take_refused(self) -> Counter[str]:
        """Datagrams refused since the last call, by reason."""
        new = self.refused - self._taken
        if new:
            self._taken = Counter(self.refused)
        return new

    def violation(self, rule: str, now_ms: float, *, fatal: bool = False) -> None:
        """A packet that was dropped since it broke a rule that honest peers keep."""
        self.refused["SCTP violation"] += 1
        if fatal or not self._violations.take(now_ms):
            self._end("abuse", f"forbidden packets were sent: {rule}")

    def charge(self, used_s: float, now_ms: float) -> None:
        """Processor time that went into the publisher's packets."""
        if self._processor is not None and self._processor.charge(used_s, now_ms):
            self._end(
                "excess",
                "too much was sent: its packets take more than"
                f" {100.0 * (self._max_processor_share or 0.0):.0f} % of a processor core",
            )

    def _end(self, code: str, reason: str) -> None:
        if not self.ended:
            self.ended = True
            try:
                self._on_offence(code, reason)
            except Exception:
                self.errors.add("on_offence")
