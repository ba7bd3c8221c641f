"""The simulated clock."""

from analysis.simulator.event_queue import EventQueue


def test_actions_run_in_order_of_time_then_of_setting() -> None:
    engine, seen = EventQueue(), []
    for when_ms, name in ((5.0, "b"), (1.0, "a"), (5.0, "c")):
        engine.at(when_ms, lambda name=name: seen.append((engine.now_ms, name)))  # type: ignore[misc]
    engine.run()
    assert seen == [(1.0, "a"), (5.0, "b"), (5.0, "c")]


def test_what_is_overdue_happens_now() -> None:
    engine, seen = EventQueue(), []
    engine.at(10.0, lambda: engine.at(3.0, lambda: seen.append(engine.now_ms)))
    engine.run()
    assert seen == [10.0]
