"""Events that wait for a sink: bounded in number and bytes, the oldest is dropped and counted.

Pure: whoever puts and takes them has the clock and the task.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Loss = Literal["overflow", "expired", "refused", "skipped", "left"]
"""Why an event was not sent: the queue was full; its batch was tried for too long; the receiver
took the batch for wrong; it was lost before it came here; it was left at the end."""
LOSSES: tuple[Loss, ...] = ("overflow", "expired", "refused", "skipped", "left")


@dataclass(frozen=True, slots=True)
class SinkEvent:
    """A message as it is sent."""

    session: str
    label: str
    kind: str
    text: str
    """JSON, one object."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that are sent together. `id` stays the same when it is sent again."""

    id: str
    events: Sequence[SinkEvent]
    dropped: int
    """Events lost since the last batch that arrived."""
    dropped_total: int


class EventQueue:
    """The newest events."""

    def __init__(self, max_events: int, max_bytes: int) -> None:
        self._max_events, self._max_bytes = max_events, max_bytes
        self._events: deque[SinkEvent] = deque()
        self._bytes = 0
        self.losses: Counter[Loss] = Counter()
        self.unreported = 0
        """Lost events that no batch has told the receiver yet."""

    def __len__(self) -> int:
        return len(self._events)

    @property
    def bytes(self) -> int:
        """Of all texts; characters, where they are not ASCII."""
        return self._bytes

    @property
    def lost(self) -> int:
        """Events that were not sent, since the start."""
        return self.losses.total()

    def put(self, event: SinkEvent) -> None:
        """Never waits. Drop rule: the oldest, until there is room; one larger than all goes."""
        self._events.append(event)
        self._bytes += len(event.text)
        while len(self._events) > self._max_events or self._bytes > self._max_bytes:
            self._pop()
            self.lose("overflow", 1)

    def take(self, batch_id: str, max_events: int, max_bytes: int) -> Batch:
        """The oldest events, at least one if there are any."""
        events: list[SinkEvent] = []
        size = 0
        while self._events and len(events) < max_events:
            size += len(self._events[0].text)
            if events and size > max_bytes:
                break
            events.append(self._pop())
        return Batch(batch_id, events, self.unreported, self.lost)

    def lose(self, why: Loss, count: int) -> None:
        """Count events that were not sent."""
        self.losses[why] += count
        self.unreported += count

    def told(self, batch: Batch) -> None:
        """A batch has arrived, and with it what was lost before."""
        self.unreported -= batch.dropped

    def clear(self) -> None:
        """Lose all that wait: it is the end."""
        self.lose("left", len(self._events))
        self._events.clear()
        self._bytes = 0

    def _pop(self) -> SinkEvent:
        event = self._events.popleft()
        self._bytes -= len(event.text)
        return event
