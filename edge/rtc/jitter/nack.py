"""Missing packets: the times of their requests (NACK, RFC 4585), and of giving them up."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from edge.rtc.reception_stats import ReceptionCounts

MAX_NACKS = 200  # the most packets requested at a time; the others wait for the next time
REQUESTS_PER_PACKET = 1.0  # allowed for each packet received: a forged gap must not cause a flood
FIRST_REQUESTS = 64.0  # allowed before any packet has been received
_BUDGET_PAUSE_MS = 10.0  # before more is requested once the budget is used up
_MAX_REQUESTS = 8  # for one packet
_STALL_MS = 30.0  # by which sender, network or receiver may be late without a packet being lost
_SLACK_MS = 20.0  # the same over three requests
_MAX_FIRST_ANSWER_MS = 400.0  # no first answer is awaited for longer
_MAX_THIRD_ANSWER_MS = 250.0  # nor a third: a key frame after that would make a long stall
_MAX_REORDER_MS = 20.0
_MAX_RTT_MS = 2_000.0
_NEVER = float("inf")


@dataclass(slots=True)
class _MissingPacket:
    since_ms: float
    due_ms: float
    requests: int = 0
    first_request_ms: float = 0.0
    last_request_ms: float = 0.0


@dataclass(slots=True)
class _Probe:
    """Packets requested before a later one showed them to be missing."""

    numbers: range = range(0)
    requests: int = 0
    first_request_ms: float = 0.0
    last_request_ms: float = 0.0
    sent: bool = False  # they probably had been sent by then, so the answer may be on its way


class NackRequester:
    """The packets, by unwrapped number, that later ones have shown to be missing.

    Each is requested at once, or after the time by which the network was seen to reorder, and again
    every 1.3 round trips. Pure: times in ms are arguments.
    """

    def __init__(self, max_wait_ms: float, rtt_ms: float, counts: ReceptionCounts) -> None:
        """`max_wait_ms`: the reception limit, from a frame's first packet."""
        self._counts = counts
        self.max_wait_ms = max_wait_ms
        self.extra_wait_ms = 0.0  # for a key frame
        self.rtt_ms = rtt_ms
        self._missing: dict[int, _MissingPacket] = {}
        self._numbers: list[int] = []  # the same, ascending: numbers are only ever added at the end
        self._due: list[tuple[float, int]] = []  # a heap; entries of packets that came are skipped
        self._rtt_measured = False
        self._ambiguous_ms = -_NEVER
        self._reorder_ms = 0.0
        self._probe = _Probe()
        self._budget = FIRST_REQUESTS  # requests that may be sent now
        self._budgeted_packets = 0
        self._paused_until_ms = -_NEVER

    def __len__(self) -> int:
        return len(self._missing)

    def __contains__(self, number: int) -> bool:
        return number in self._missing

    # -- what is missing ------------------------------------------------------------------------

    def add(self, first: int, until: int, now_ms: float) -> None:
        """A later packet shows those from `first` to before `until` to be missing."""
        if len(self._due) > 2 * len(self._missing) + 64:
            entries = ((each.due_ms, number) for number, each in self._missing.items())
            self._due = [entry for entry in entries if entry[0] < _NEVER]
            heapify(self._due)
        probe = self._probe
        for number in range(first, until):
            missing = self._missing[number] = _MissingPacket(now_ms, now_ms + self._reorder_ms)
            if number in probe.numbers:
                missing.requests = probe.requests
                missing.first_request_ms = probe.first_request_ms
                missing.last_request_ms = probe.last_request_ms
                if probe.sent:
                    missing.due_ms = max(missing.due_ms, self.retry_ms(probe.last_request_ms))
            heappush(self._due, (missing.due_ms, number))
        self._numbers.extend(range(first, until))
        self._counts.missed += until - first

    def probed(self, numbers: range, now_ms: float, *, sent: bool) -> None:
        """Packets were requested before a later one showed them to be missing.

        `sent`: they probably had been sent by then, so the answer may be on its way.
        """
        if numbers.start not in self._probe.numbers:
            self._probe = _Probe(first_request_ms=now_ms)
        self._probe.numbers = numbers
        self._probe.requests += 1
        self._probe.last_request_ms = now_ms
        self._probe.sent = sent
        self._counts.nacked += len(numbers) if sent else 0
        self._budget -= len(numbers)

    def arrived(self, number: int, now_ms: float) -> bool:
        """A packet came out of order; whether it was missing."""
        missing = self._remove(number)
        if missing is None:
            return False
        if missing.requests == 0:
            # It was only reordered, so the next request waits for as long.
            reorder_ms = max(self._reorder_ms, now_ms - missing.since_ms)
            self._reorder_ms = min(_MAX_REORDER_MS, reorder_ms)
            return True
        self._counts.recovered += 1
        if missing.requests == 1:
            self._observe_rtt(now_ms - missing.last_request_ms)
        elif now_ms > self._ambiguous_ms + self.rtt_ms:
            # It may answer any of the requests: back off (Karn's algorithm; RFC 6298, section 5.5),
            # but not again for each packet, nor beyond the time since the first request.
            self._ambiguous_ms = now_ms
            since_first_ms = max(5.0, now_ms - missing.first_request_ms)
            longer_ms = min(500.0, 1.5 * self.rtt_ms, since_first_ms)
            self.rtt_ms += self._rtt_weight * (longer_ms - self.rtt_ms)
        return True

    def forget(self, number: int) -> None:
        """The packet is of no use any more."""
        self._remove(number)

    def clear(self) -> None:
        self._missing.clear()
        self._numbers.clear()
        self._due.clear()
        self._probe.numbers = range(0)

    def _remove(self, number: int) -> _MissingPacket | None:
        missing = self._missing.pop(number, None)
        if missing is not None:
            del self._numbers[bisect_left(self._numbers, number)]
        return missing

    def any_between(self, first: int, last: int) -> bool:
        """Whether any of `first` to `last` is missing."""
        at = bisect_left(self._numbers, first)
        return at < len(self._numbers) and self._numbers[at] <= last

    def run_start(self, length: int) -> float:
        """The start of the first run of `length` missing packets; infinity if there is none."""
        numbers = self._numbers
        for index in range(len(numbers) - length + 1):
            if numbers[index + length - 1] - numbers[index] == length - 1:
                return numbers[index]
        return _NEVER

    # -- the round trip -------------------------------------------------------------------------

    def suggest_rtt(self, rtt_ms: float) -> None:
        """A round-trip time from elsewhere, used until a NACK's answer has measured it."""
        if not self._rtt_measured and 0 <= rtt_ms <= _MAX_RTT_MS:
            self.rtt_ms = rtt_ms

    @property
    def _rtt_weight(self) -> float:
        return 0.25 if self._rtt_measured else 1.0

    def _observe_rtt(self, sample_ms: float) -> None:
        sample_ms = min(_MAX_RTT_MS, max(0.5, sample_ms))
        self.rtt_ms += self._rtt_weight * (sample_ms - self.rtt_ms)
        self._rtt_measured = True

    # -- when to request, and when to give up ---------------------------------------------------

    def retry_ms(self, request_ms: float) -> float:
        """The time at which a request made at `request_ms` is repeated."""
        return request_ms + max(10.0, 1.3 * self.rtt_ms + 3.0)

    def give_up_ms(self, first_packet_ms: float) -> float | None:
        """The time at which the lowest missing packet is given up.

        Its frame's first packet came at `first_packet_ms`. None if none is missing.
        """
        if not self._missing:
            return None
        missing = self._missing[self._numbers[0]]
        return self._give_up_ms(missing, min(first_packet_ms, missing.since_ms))

    def _give_up_ms(self, missing: _MissingPacket, since_ms: float) -> float:
        # Up to three answers are awaited even beyond the reception limit: a key frame would arrive
        # no sooner, and all frames that refer to the lost one would be lost with it.
        first_ms = min(1.25 * self.rtt_ms + _STALL_MS, _MAX_FIRST_ANSWER_MS)
        third_ms = min(4.0 * self.rtt_ms + _SLACK_MS, _MAX_THIRD_ANSWER_MS)
        answer_ms = missing.since_ms + max(first_ms, third_ms)
        return max(since_ms + self.max_wait_ms + self.extra_wait_ms, answer_ms)

    def _available_requests(self) -> int:
        packets = self._counts.packets
        earned = REQUESTS_PER_PACKET * (packets - self._budgeted_packets)
        self._budgeted_packets = packets
        self._budget = min(float(MAX_NACKS), self._budget + earned)
        return max(0, int(self._budget))

    def wake_ms(self) -> float:
        """The time at which the next request is due; infinity where none is."""
        return max(self._next_due_ms(), self._paused_until_ms)

    def _next_due_ms(self) -> float:
        while self._due:
            due_ms, number = self._due[0]
            missing = self._missing.get(number)
            if missing is not None and missing.due_ms == due_ms:
                return due_ms
            heappop(self._due)
        return _NEVER

    def due(self, now_ms: float, give_up: Callable[[int], bool] | None = None) -> list[int]:
        """The packets to request now; they count as requested.

        `give_up(number)` may `forget` a packet instead, and returns whether it did.
        """
        due: list[int] = []
        if now_ms < self._paused_until_ms:
            return due
        available = self._available_requests()
        while self._next_due_ms() <= now_ms:
            if len(due) >= available:
                self._paused_until_ms = now_ms + _BUDGET_PAUSE_MS
                break
            _, number = heappop(self._due)
            if give_up is not None and give_up(number):
                continue
            missing = self._missing[number]
            give_up_ms = self._give_up_ms(missing, missing.since_ms)
            too_late = missing.requests > 0 and now_ms + 0.8 * self.rtt_ms > give_up_ms
            if too_late or missing.requests >= _MAX_REQUESTS:
                missing.due_ms = _NEVER
                continue
            missing.requests += 1
            missing.last_request_ms = now_ms
            if missing.requests == 1:
                missing.first_request_ms = now_ms
            missing.due_ms = self.retry_ms(now_ms)
            heappush(self._due, (missing.due_ms, number))
            due.append(number)
        self._counts.nacked += len(due)
        self._budget -= len(due)
        return due
