"""Events that wait: bounds, drop rule, and what the receiver is told."""

from __future__ import annotations

from edge.sinks.event_queue import EventQueue
from tests.sinks.parts import event


def numbered(number: int, padding: int = 0) -> str:
    return f'{{"type":"detections","n":{number},"pad":"{"x" * padding}"}}'


def test_the_oldest_are_dropped_and_counted() -> None:
    queue = EventQueue(3, 10_000)
    for number in range(5):
        queue.put(event(numbered(number)))
    batch = queue.take("b", 10, 10_000)
    assert [each.text for each in batch.events] == [numbered(number) for number in (2, 3, 4)]
    assert (batch.dropped, batch.dropped_total) == (2, 2)
    assert queue.losses["overflow"] == queue.lost == 2


def test_bytes_are_bounded_whatever_the_number() -> None:
    queue = EventQueue(1000, 1000)
    for number in range(50):
        queue.put(event(numbered(number, 200)))
        assert queue.bytes <= 1000
    kept = len(queue)
    assert 0 < kept == 50 - queue.lost
    queue.put(event(numbered(99, 2000)))  # larger than all: nothing is left
    assert (len(queue), queue.bytes, queue.lost) == (0, 0, 51)


def test_a_batch_is_bounded_and_never_empty() -> None:
    queue = EventQueue(100, 100_000)
    for number in range(10):
        queue.put(event(numbered(number, 500)))
    assert len(queue.take("b", 4, 100_000).events) == 4
    assert len(queue.take("b", 4, 1200).events) == 2
    assert len(queue.take("b", 4, 1).events) == 1
    assert len(queue) == 3


def test_losses_are_told_until_they_have_arrived() -> None:
    queue = EventQueue(1, 10_000)
    for number in range(3):
        queue.put(event(numbered(number)))
    first = queue.take("1", 10, 10_000)
    assert first.dropped == 2
    queue.lose("expired", len(first.events))  # it never arrived
    queue.put(event(numbered(4)))
    second = queue.take("2", 10, 10_000)
    assert second.dropped == 3
    queue.lose("skipped", 4)  # while the second one is on its way
    queue.told(second)
    assert queue.take("3", 10, 10_000).dropped == 4
    assert queue.lost == 7


def test_what_is_left_at_the_end_is_counted() -> None:
    queue = EventQueue(10, 10_000)
    queue.put(event())
    queue.clear()
    assert (len(queue), queue.bytes, queue.losses["left"]) == (0, 0, 1)
