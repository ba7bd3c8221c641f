"""Jellyfish's rules at the worker: what it drops at dispatch, and how long a batch waits."""

from dataclasses import dataclass, field

from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.run import SimulationRun
from analysis.simulator.server import FifoServer
from tests.analysis.simulator.experiment import run

VARIANT = "yolov4-320"


@dataclass
class Ends:
    """Stands where the run's own counting is."""

    answered: list[tuple[float, int]] = field(default_factory=list)
    dropped: list[tuple[float, int, str]] = field(default_factory=list)


def watched(batch: int, **rules: float) -> tuple[SimulationRun, FifoServer, Ends]:
    made, ends = run("smallest"), Ends()
    server = FifoServer(made, **rules)  # type: ignore[arg-type]
    server.stations[0].variant, server.stations[0].batch = VARIANT, batch

    def answer(frame: SimulatedFrame, variant: str) -> float:
        ends.answered.append((made.now_ms, frame.number))
        return 0.0

    def drop(frame: SimulatedFrame, reason: str) -> None:
        ends.dropped.append((made.now_ms, frame.number, reason))

    made.answer, made.drop = answer, drop  # type: ignore[method-assign]
    return made, server, ends


def frame(number: int) -> SimulatedFrame:
    return SimulatedFrame(0, number, 0.0, 320, 1e6, 15.0, reachable=True)


def p99_ms(made: SimulationRun, batch: int) -> float:
    size = made.sent_size(320)
    return made.profiles[0].latency_ms(VARIANT, (size[0], -(-size[1] // 32) * 32), batch)


def test_a_frame_over_five_ms_late_is_dropped_at_dispatch() -> None:
    made, server, ends = watched(1, drop_ms=5.0)
    took_ms = p99_ms(made, 1)
    server.offer(0, frame(1), took_ms - 5.1)
    assert ends.dropped == [(0.0, 1, "overload")]
    server.offer(0, frame(2), took_ms - 4.9)
    made.events.run()
    assert [number for _, number in ends.answered] == [2]


def test_a_batch_waits_while_its_most_urgent_frame_has_over_ten_ms_to_spare() -> None:
    made, server, ends = watched(4, drop_ms=5.0, spare_ms=10.0)
    server.offer(0, frame(1), 60.0)
    made.events.run()
    (ended_ms, _), begun_ms = ends.answered[0], 60.0 - 10.0 - p99_ms(made, 1)
    assert begun_ms < ended_ms < begun_ms + 1.5 * p99_ms(made, 1)


def test_a_full_batch_does_not_wait() -> None:
    made, server, ends = watched(2, drop_ms=5.0, spare_ms=10.0)
    server.offer(0, frame(1), 90.0)
    made.events.at(5.0, lambda: server.offer(0, frame(2), 95.0))
    made.events.run()
    assert {number for _, number in ends.answered} == {1, 2}
    assert ends.answered[0][0] < 5.0 + 2.0 * p99_ms(made, 2)


def test_first_in_first_out_and_a_full_queue_loses_its_oldest() -> None:
    made, server, ends = watched(1)
    for number in range(FifoServer.QUEUE + 3):
        server.offer(0, frame(number), 1.0)
    made.events.run()
    assert [number for _, number, _ in ends.dropped] == [1, 2]  # 0 was in the device already
    assert [number for _, number in ends.answered] == [0, *range(3, FifoServer.QUEUE + 3)]
