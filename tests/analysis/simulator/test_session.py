"""A session on the simulated clock: its packets, deadlines and hints."""

from collections.abc import Callable

import pytest

from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.components.link import Crossing
from analysis.simulator.run import SimulationRun
from analysis.simulator.session import BACK_MS, SLOW_MS, SimulatedSession
from edge.adaptation.hint_controller import HintController
from edge.scheduling.assignment import Assignment
from edge.session.session_adaptation import SessionAdaptation
from tests.analysis.simulator.experiment import run

SLO_MS = 100.0


@pytest.fixture
def made() -> SimulationRun:
    return run("smallest", slo_ms=[SLO_MS])


def session(
    made: SimulationRun, *, obeys: bool = True, on_step: Callable[[], None] = lambda: None
) -> SimulatedSession:
    hints = SessionAdaptation({"yolov4": [320]}, HintController(max_bps=4_000_000))
    return SimulatedSession(made, made.clients[0], hints, on_step, obeys=obeys)


def frame(number: int = 0, received_ms: float = 30.0) -> SimulatedFrame:
    captured_ms = 1000.0 * number / 15
    return SimulatedFrame(
        0, number, captured_ms, 320, 1e6, 15.0, True, captured_ms + received_ms,
        captured_ms + received_ms + 1.0,
    )  # fmt: skip


def at(made: SimulationRun, ms: float, action: Callable[[], None]) -> None:
    made.events.at(ms, action)
    made.events.run(ms)


def test_the_estimator_gets_packets_when_they_arrive(
    made: SimulationRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_session = session(made)
    observed: list[tuple[float, bool]] = []

    def observe(rtp: int, size: int, last: bool, at_ms: float) -> None:
        observed.append((at_ms, last))

    monkeypatch.setattr(made_session.rate, "observe", observe)
    made_session.sent(frame(), Crossing([(1200, 10.0), (1200, 20.0), (800, 30.0)], 30.0, 3, 0))
    at(made, 20.0, lambda: made_session.tick(20.0))
    assert observed == [(10.0, False), (20.0, False)]
    at(made, 31.0, lambda: made_session.decoded(frame(), 31.0))
    assert observed[2:] == [(30.0, True)]


def test_a_slow_frames_packets_are_used_before_it_is_complete(
    made: SimulationRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_session = session(made)
    ticks_ms: list[float] = []
    monkeypatch.setattr(made_session.rate, "tick", ticks_ms.append)
    made_session.sent(frame(), Crossing([(1200, 10.0), (1200, 200.0)], 200.0, 2, 0))
    made.events.run(80.0)
    assert ticks_ms[0] == SLOW_MS
    assert len(ticks_ms) >= 4


def test_a_deadline_leaves_the_delay_to_the_client(made: SimulationRun) -> None:
    made_session = session(made)
    assert made_session.deadline_ms(frame()) == SLO_MS - BACK_MS
    for number in range(20):
        answered = frame(number)
        at_ms = answered.ready_ms + 10.0
        at(made, at_ms, lambda each=answered, ms=at_ms: made_session.answered(each, ms, 7.0))  # type: ignore[misc]
        made_session.tick(made.now_ms)
    assert made_session.deadline_ms(frame()) == pytest.approx(SLO_MS - 7.0)


@pytest.mark.parametrize("obeys", [True, False])
def test_a_hint_is_obeyed_a_delay_and_a_frame_later(made: SimulationRun, obeys: bool) -> None:
    made_session = session(made, obeys=obeys)
    encoder = made.clients[0].encoder
    before = encoder.request
    made_session.assign(Assignment("yolov4-320", 320, 2e6, 0.5, ""), 0.0)
    delay_ms = made.clients[0].back_ms + encoder.frame_ms
    encoder.encode(delay_ms - 1.0)
    assert encoder.request == before
    encoder.encode(delay_ms + 50.0)  # jitter is 1 ms
    assert (encoder.request != before) is obeys
