"""Missing packets: when to ask for one again, and until when that can be of use."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

from edge.rtc.jitter.outcome import ReceptionCounts

MAX_NACKS = 200  # packets asked for at a time; the others wait for the next time
_MAX_ASKED = 8  # times that one packet is asked for
_STALL_MS = 30.0  # by which sender, way or receiver may be late without a packet being lost
_SLACK_MS = 20.0  # the same over three questions
_FIRST_MOST_MS = 400.0  # no first answer is waited for longer
_THIRD_MOST_MS = 250.0  # nor a third: a key frame after that would make a long stall
_NEVER = float("inf")


@dataclass(slots=True)
class _Gap:
    since_ms: float
    due_ms: float
    asked: int = 0
    first_ms: float = 0.0  # asked for the first time, and the last
    asked_ms: float = 0.0


class NackRequester:
    """The packets (by unwrapped number) that later ones have shown to be missing.

    Each is asked for at once, or after the time by which the way is seen to reorder, and again
    every 1.3 round trips. Pure: times in ms are arguments.
    """

    def __init__(self, patience_ms: float, rtt_ms: float, counts: ReceptionCounts) -> None:
        self._counts = counts
        self.patience_ms = patience_ms
        self.grace_ms = 0.0  # on top of it
        self.rtt_ms = rtt_ms
        self._gaps: dict[int, _Gap] = {}
        self._numbers: list[int] = []  # the same, in order: they are only ever opened upwards
        self._due: list[tuple[float, int]] = []  # a heap; what it has of closed gaps is passed over
        self._rtt_measured = False
        self._unclear_ms = -_NEVER
        self._reorder_ms = 0.0
        self._probed, self._probes, self._probed_sent = range(0), 0, False
        self._first_probed_ms = self._probed_ms = 0.0

    def __len__(self) -> int:
        return len(self._gaps)

    def __contains__(self, number: int) -> bool:
        return number in self._gaps

    def suggest_rtt(self, rtt_ms: float) -> None:
        """A round-trip time from elsewhere, of use until a NACK's answer has measured it."""
        if not self._rtt_measured and 0 <= rtt_ms <= 2000:
            self.rtt_ms = rtt_ms

    def open(self, first: int, until: int, now_ms: float) -> None:
        """The packets from `first` to before `until` were skipped by the sender's next."""
        if len(self._due) > 2 * len(self._gaps) + 64:
            self._due = [(gap.due_ms, n) for n, gap in self._gaps.items() if gap.due_ms < _NEVER]
            heapify(self._due)
        for number in range(first, until):
            gap = self._gaps[number] = _Gap(now_ms, now_ms + self._reorder_ms)
            if number in self._probed:
                gap.asked = self._probes
                gap.first_ms, gap.asked_ms = self._first_probed_ms, self._probed_ms
                if self._probed_sent:
                    gap.due_ms = max(gap.due_ms, self.again_ms(gap.asked_ms))
            heappush(self._due, (gap.due_ms, number))
        self._numbers.extend(range(first, until))
        self._counts.missed += until - first

    def probe(self, numbers: range, now_ms: float, *, sent: bool) -> None:
        """Packets were asked for before any later one showed them to be missing.

        `sent`: they probably had been sent by then, so the answer may be on its way.
        """
        again = numbers.start in self._probed
        self._probes = self._probes + 1 if again else 1
        self._probed, self._probed_ms = numbers, now_ms
        self._first_probed_ms = self._first_probed_ms if again else now_ms
        self._probed_sent = sent
        self._counts.nacked += len(numbers) if sent else 0

    def fill(self, number: int, now_ms: float) -> bool:
        """A packet came late; whether it was missing."""
        gap = self._close(number)
        if gap is None:
            return False
        if gap.asked == 0:
            # It came unasked: the way reorders, so the next question waits as long.
            self._reorder_ms = min(20.0, max(self._reorder_ms, now_ms - gap.since_ms))
        else:
            self._counts.recovered += 1
            if gap.asked == 1:
                self._observe_rtt(now_ms - gap.asked_ms)
            elif now_ms > self._unclear_ms + self.rtt_ms:
                # Unclear which question was answered: longer, until it is clear (RFC 6298, 3), but
                # not again for each packet, nor longer than since the first question.
                self._unclear_ms = now_ms
                longer_ms = min(500.0, 1.5 * self.rtt_ms, max(5.0, now_ms - gap.first_ms))
                self.rtt_ms += (0.25 if self._rtt_measured else 1.0) * (longer_ms - self.rtt_ms)
        return True

    def _observe_rtt(self, sample_ms: float) -> None:
        weight = 0.25 if self._rtt_measured else 1.0
        self.rtt_ms += weight * (min(2000.0, max(0.5, sample_ms)) - self.rtt_ms)
        self._rtt_measured = True

    def run(self, length: int) -> float:
        """Where the first `length` or more packets missing in a row begin; infinity if nowhere."""
        numbers = self._numbers
        for index in range(len(numbers) - length + 1):
            if numbers[index + length - 1] - numbers[index] == length - 1:
                return numbers[index]
        return _NEVER

    def forget(self, number: int) -> None:
        self._close(number)

    def clear(self) -> None:
        self._gaps.clear()
        self._numbers.clear()
        self._due.clear()
        self._probed = range(0)

    def _close(self, number: int) -> _Gap | None:
        gap = self._gaps.pop(number, None)
        if gap is not None:
            del self._numbers[bisect_left(self._numbers, number)]
        return gap

    def within(self, first: int, last: int) -> bool:
        """Whether any of `first` to `last` is missing."""
        at = bisect_left(self._numbers, first)
        return at < len(self._numbers) and self._numbers[at] <= last

    def give_up_ms(self, sign_ms: float) -> float | None:
        """When the lowest gap is given up, where its frame's first sign came at `sign_ms`."""
        if not self._gaps:
            return None
        gap = self._gaps[self._numbers[0]]
        sign_ms = min(sign_ms, gap.since_ms)
        return max(sign_ms + self.patience_ms + self.grace_ms, self._answer_ms(gap))

    def _answer_ms(self, gap: _Gap) -> float:
        # Up to three answers are waited for even beyond the deadline: a key frame would not be here
        # any sooner, and all that refers to the lost frame would be lost with it.
        first_ms = min(1.25 * self.rtt_ms + _STALL_MS, _FIRST_MOST_MS)
        third_ms = min(4.0 * self.rtt_ms + _SLACK_MS, _THIRD_MOST_MS)
        return gap.since_ms + max(first_ms, third_ms)

    def again_ms(self, asked_ms: float) -> float:
        """When to ask again for what was asked for at `asked_ms`."""
        return asked_ms + max(10.0, 1.3 * self.rtt_ms + 3.0)

    def due(self, now_ms: float, forgo: Callable[[int], bool] | None = None) -> list[int]:
        """What to ask for now; counts as asked.

        `forgo(number)` may `forget` what is due instead, and says whether it did.
        """
        due: list[int] = []
        while self.wake_ms() <= now_ms and len(due) < MAX_NACKS:
            _, number = heappop(self._due)
            if forgo is not None and forgo(number):
                continue
            gap = self._gaps[number]
            patience_ms = self.patience_ms + self.grace_ms
            give_up_ms = max(gap.since_ms + patience_ms, self._answer_ms(gap))
            hopeless = gap.asked > 0 and now_ms + 0.8 * self.rtt_ms > give_up_ms
            if hopeless or gap.asked >= _MAX_ASKED:
                gap.due_ms = _NEVER
                continue
            gap.asked += 1
            gap.asked_ms = now_ms
            gap.first_ms = now_ms if gap.asked == 1 else gap.first_ms
            gap.due_ms = self.again_ms(now_ms)
            heappush(self._due, (gap.due_ms, number))
            due.append(number)
        self._counts.nacked += len(due)
        return due

    def wake_ms(self) -> float:
        """When something is due next; infinity where nothing is."""
        while self._due:
            due_ms, number = self._due[0]
            gap = self._gaps.get(number)
            if gap is not None and gap.due_ms == due_ms:
                return due_ms
            heappop(self._due)
        return _NEVER
