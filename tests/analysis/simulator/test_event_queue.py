"""The discrete-event core."""

from functools import partial

from analysis.simulator.event_queue import EventQueue


def test_actions_run_in_order_of_time_then_of_scheduling() -> None:
    events, ran = EventQueue(), []
    for due_ms, name in ((5.0, "b"), (1.0, "a"), (5.0, "c")):
        events.at(due_ms, lambda name=name: ran.append((events.now_ms, name)))  # type: ignore[misc]
    events.run()
    assert ran == [(1.0, "a"), (5.0, "b"), (5.0, "c")]


def test_an_overdue_action_runs_now() -> None:
    events, ran = EventQueue(), []
    events.at(10.0, lambda: events.at(3.0, lambda: ran.append(events.now_ms)))
    events.run()
    assert ran == [10.0]


def test_a_run_with_a_limit_stops_the_clock_there_and_can_go_on() -> None:
    events = EventQueue()
    ran: list[float] = []
    for due_ms in (1.0, 2.0, 3.0):
        events.at(due_ms, partial(ran.append, due_ms))
    events.run(2.0)
    assert ran == [1.0, 2.0]
    events.run(2.5)
    assert events.now_ms == 2.5
    events.after(1.0, partial(ran.append, 3.5))
    events.run()
    assert ran == [1.0, 2.0, 3.0, 3.5]
    assert events.now_ms == 3.5


def test_a_repeated_action_runs_at_each_interval() -> None:
    events, ran = EventQueue(), []
    events.every(10.0, lambda: ran.append(events.now_ms), first_ms=5.0)
    events.run(36.0)
    assert ran == [5.0, 15.0, 25.0, 35.0]
