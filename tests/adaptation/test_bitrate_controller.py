"""The rate-control loop on simulated links (see `tests/rtc/rate_loop.py`), and the controller by
hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.simulator.event_queue import EventQueue
from edge.adaptation.bitrate_controller import MIN_BPS, BitrateController, State
from edge.adaptation.measurements import LinkMeasurements
from tests.rtc.rate_loop import HEADER_BITS, RateLoop
from tests.rtc.simlink import Bottleneck, Tcp, steps
from traces import Trace

STEPS = steps((0.0, 8e6), (10_000.0, 1e6), (20_000.0, 8e6))
DELAY_MS = 10.0


def run(trace: Trace, seconds: float, *, link: dict[str, float] | None = None, **options: float):  # type: ignore[no-untyped-def]
    events = EventQueue()
    session = RateLoop(
        events,
        Bottleneck(events, trace, delay_ms=DELAY_MS, **(link or {})),  # type: ignore[arg-type]
        **options,  # type: ignore[arg-type]
    )
    events.run(1000.0 * seconds)
    return session


class TestSteady:
    @pytest.mark.parametrize("mbps", [2.0, 8.0, 20.0])
    @pytest.mark.parametrize("fps", [15.0, 30.0])
    def test_a_frame_takes_what_its_bits_take(self, mbps: float, fps: float) -> None:
        session = run(steps((0.0, mbps * 1e6)), 12, cap_bps=4e6, fps=fps)
        frames = session.between(4, 11)
        bits = sorted(f.bits + f.packets * HEADER_BITS for f in frames)[len(frames) // 2]
        limit_ms = 1.5 * bits / (mbps * 1e3) + 3.0
        assert session.median_ms(4, 11) - DELAY_MS <= limit_ms
        assert session.worst_ms(4, 11) < 100.0

    def test_start_up(self) -> None:
        session = run(steps((0.0, 8e6)), 4, cap_bps=4e6)
        assert session.mean_bps(2, 3) > 2.5e6

    def test_the_clocks_drift(self) -> None:
        for skew in (-1e-4, 1e-4):
            session = run(steps((0.0, 2e6)), 60, cap_bps=4e6, skew=skew)
            assert session.late(5, 59, 80.0) == 0.0
            assert session.mean_bps(5, 59) > 0.9e6


class TestSteps:
    @pytest.mark.parametrize("pacing", [1.1, 2.5])
    @pytest.mark.parametrize("fps", [15.0, 30.0])
    @pytest.mark.parametrize(("cap_bps", "worst_ms"), [(1.2e6, 150.0), (4e6, 350.0)])
    def test_down_and_up(self, pacing: float, fps: float, cap_bps: float, worst_ms: float) -> None:
        session = run(STEPS, 26, cap_bps=cap_bps, fps=fps, pacing=pacing)
        assert session.worst_ms(9, 12) < worst_ms
        late = [f for f in session.between(10.5, 20) if f.network_ms - DELAY_MS >= 60.0]
        assert len(late) <= 1  # one in ten times the usual size is the encoder's, not the link's
        assert session.mean_bps(12, 20) > 0.4e6
        used_bps = session.mean_bps(23, 26)
        assert used_bps > 0.8 * min(cap_bps, 0.54 * 8e6)

    def test_the_cap_falls_within_a_frame(self) -> None:
        session = run(STEPS, 12, cap_bps=4e6)
        fell_ms = next(ms for ms, bps, _ in session.hints if ms > 10_000 and bps < 1e6)
        assert fell_ms < 10_000 + DELAY_MS + 1000.0 / session.fps

    @pytest.mark.parametrize("fps", [15.0, 30.0])
    @pytest.mark.parametrize(("cap_bps", "worst_ms"), [(1.2e6, 170.0), (4e6, 370.0)])
    def test_by_the_estimate_alone(self, fps: float, cap_bps: float, worst_ms: float) -> None:
        session = run(STEPS, 26, cap_bps=cap_bps, fps=fps, hinted=False, pacing=2.5)
        assert session.worst_ms(9, 12) < worst_ms
        assert session.late(12, 20, 150.0) == 0.0
        assert session.mean_bps(12, 20) > 0.5e6


class TestOutage:
    """By hand: a link of 20 Mbit/s that is gone for 200 ms, with a queue, in the tenth second."""

    @staticmethod
    def caps(after_bps: float) -> tuple[list[tuple[float, float]], BitrateController]:
        cap = BitrateController(1.5e6, 4e6)
        decided = []
        for step in range(600):
            now = 20.0 * step
            gone = 10_000 <= now < 10_200
            before = now < 10_000
            cap.observe(
                LinkMeasurements(
                    capacity_bps=0.3e6 if gone else 20e6 if before else after_bps,
                    queue_ms=150.0 if gone else 0.0,
                ),
                40.0,
                15.0,
                now,
            )
            made = cap.decide(4e6, now)
            if made is not None:
                decided.append((now, made.bps))
        return decided, cap

    def test_a_link_that_is_back_carries_at_once_what_it_did(self) -> None:
        decided, _ = self.caps(20e6)
        low = [bps for now, bps in decided if 10_000 <= now < 10_200]
        back = [bps for now, bps in decided if 10_200 <= now < 10_400]
        assert min(low) == 0.75 * 0.3e6  # a stall: no more than the link carries in the long run
        assert max(back) == 4e6

    def test_a_link_that_barely_carries_it_gets_less(self) -> None:
        decided, _ = self.caps(7.5e6)
        back = [bps for now, bps in decided if 10_200 <= now < 10_400]
        assert max(back) == pytest.approx(0.85 * 4e6)

    def test_another_link_gets_what_it_carries(self) -> None:
        decided, cap = self.caps(2e6)
        assert all(bps <= 0.6 * 2e6 for now, bps in decided if now >= 10_200)
        assert cap.usual_bps == pytest.approx(0.6 * 2e6)

    def test_an_outage_says_nothing_about_the_link(self) -> None:
        cap = BitrateController(1.5e6, 4e6)
        for step in range(300):
            gone = step % 50 >= 45  # 100 ms in each second
            link = LinkMeasurements(
                capacity_bps=0.3e6 if gone else 5e6, queue_ms=90.0 if gone else 0.0
            )
            cap.observe(link, 40.0, 15.0, 20.0 * step)
        assert cap.usual_bps == pytest.approx(0.6 * 5e6)
        assert cap.min_allowed_bps < 0.3e6


class TestTrouble:
    def test_nothing_comes_and_then_it_comes_again(self) -> None:
        session = run(steps((0.0, 4e6), (10_000.0, 0.0), (13_000.0, 4e6)), 25, cap_bps=4e6)
        assert session.late(13.5, 25, 100.0) < 0.02
        assert session.mean_bps(16, 24) > 1.6e6

    def test_next_to_nothing_for_long(self) -> None:
        session = run(steps((0.0, 4e6), (10_000.0, 20e3), (20_000.0, 4e6)), 30, cap_bps=4e6)
        assert session.late(21, 29, 100.0) == 0.0
        assert session.mean_bps(24, 29) > 1.5e6

    @pytest.mark.parametrize("clump_ms", [6.0, 10.0, 20.0])
    def test_a_radio_holds_packets_and_releases_them_together(self, clump_ms: float) -> None:
        session = run(steps((0.0, 4e6)), 30, link={"clump_ms": clump_ms}, cap_bps=4e6)
        assert session.late(3, 29, 100.0) < 0.01
        assert session.mean_bps(5, 29) > 0.7e6
        alone = run(steps((0.0, 4e6)), 30, link={"clump_ms": clump_ms}, cap_bps=4e6, hinted=False)
        assert alone.mean_bps(5, 29) > 0.6e6

    def test_a_shallow_queue(self) -> None:
        session = run(steps((0.0, 2e6)), 30, link={"queue_bytes": 12_000}, cap_bps=4e6)
        assert session.late(5, 29, 100.0) < 0.01

    def test_a_token_bucket_lets_bursts_through(self) -> None:
        session = run(steps((0.0, 2e6)), 30, link={"burst_bytes": 6000}, cap_bps=4e6)
        assert session.late(5, 29, 100.0) < 0.01

    def test_few_packets_a_frame(self) -> None:
        trace = steps((0.0, 4e6), (10_000.0, 200e3), (20_000.0, 4e6))
        session = run(trace, 30, cap_bps=4e6, fps=30.0)
        assert max(frame.packets for frame in session.between(15, 20)) <= 2
        assert (
            session.late(16, 19, 150.0) < 0.05
        )  # the floor is half of this link: it drains slowly
        assert session.mean_bps(24, 29) > 1.5e6

    def test_no_send_times(self) -> None:
        session = run(STEPS, 26, cap_bps=1.2e6, send_times=False)
        assert session.worst_ms(9, 12) < 150.0


class TestCompany:
    @pytest.mark.parametrize("offset_ms", [10_013.0, 10_040.0])
    def test_two_sessions_share(self, offset_ms: float) -> None:
        events = EventQueue()
        link = Bottleneck(events, steps((0.0, 4e6)), delay_ms=DELAY_MS)
        first = RateLoop(events, link, cap_bps=4e6)
        # No two cameras' clocks agree to a tenth of a per cent.
        second = RateLoop(events, link, cap_bps=4e6, starts_ms=offset_ms, seed=8, fps=15.02)
        events.run(90_000.0)
        shares = sorted(each.mean_bps(20, 89) for each in (first, second))
        assert shares[0] > 0.8 * shares[1]
        assert shares[0] > 1.2e6
        assert max(each.late(20, 89, 100.0) for each in (first, second)) < 0.01

    def test_frames_for_ever_behind_anothers_do_not_starve(self) -> None:
        events = EventQueue()
        link = Bottleneck(events, steps((0.0, 4e6)), delay_ms=DELAY_MS)
        first = RateLoop(events, link, cap_bps=4e6)
        second = RateLoop(events, link, cap_bps=4e6, starts_ms=10_013.0, seed=8)
        events.run(60_000.0)
        assert second.mean_bps(20, 59) > 0.55 * first.mean_bps(20, 59)

    @pytest.mark.parametrize("queue_bytes", [30_000, 256_000])
    def test_beside_a_greedy_flow_neither_starves(self, queue_bytes: int) -> None:
        events = EventQueue()
        link = Bottleneck(events, steps((0.0, 4e6)), queue_bytes=queue_bytes, delay_ms=DELAY_MS)
        session = RateLoop(events, link, cap_bps=4e6)
        tcp = Tcp(events, link, 10_000.0)
        events.run(60_000.0)
        assert session.mean_bps(20, 60) > 0.4e6
        assert tcp.mean_bps(20, 60) > 0.4 * 4e6


class TestCap:
    def test_a_queue_that_stays_is_shared_not_yielded_to(self) -> None:
        cap = BitrateController(1.5e6, 4e6)
        caps = []
        for step in range(100):
            link = LinkMeasurements(capacity_bps=4e6, queue_ms=80.0 if step > 10 else 0.0)
            cap.observe(link, 36.0, 15.0, 200.0 * step)
            cap.decide(4e6, 200.0 * step)
            caps.append(cap.bps or 0.0)
        assert min(caps[12:18]) < 1e6
        assert caps[-1] > 1.2e6

    def test_frames_that_cant_be_smaller_are_let_through_where_they_cross(self) -> None:
        """Not after a patience of seconds: over its cap, an encoder leaves out frames."""
        cap = BitrateController(1.5e6, 4e6)
        for ms in range(0, 400, 100):
            cap.observe(LinkMeasurements(capacity_bps=0.3e6, queue_ms=90.0), 36.0, 15.0, ms)
            cap.decide(4e6, ms)
        assert cap.bps == MIN_BPS
        for ms in range(400, 600, 100):
            cap.observe(LinkMeasurements(capacity_bps=0.6e6, frame_bits=16e3), 36.0, 15.0, ms)
            cap.decide(4e6, ms)
        assert cap.bps == pytest.approx(0.24e6)
        cap.observe(LinkMeasurements(capacity_bps=0.6e6, frame_bits=60e3), 36.0, 15.0, 600)
        cap.decide(4e6, 600)
        assert cap.bps == pytest.approx(0.6e6 * 0.54)

    def test_a_queue_is_drained_by_a_part_of_the_link(self) -> None:
        cap = BitrateController(1.5e6, 4e6)
        cap.observe(LinkMeasurements(capacity_bps=8e6), 36.0, 15.0, 0.0)
        cap.decide(4e6, 0.0)
        cap.observe(LinkMeasurements(capacity_bps=2e6, queue_ms=200.0), 36.0, 15.0, 100.0)
        cap.decide(4e6, 100.0)
        assert cap.bps == pytest.approx(0.15 * 2e6)

    def test_losses_count_in_full_only_while_the_queue_is_ours(self) -> None:
        cap = BitrateController(1.5e6, 4e6)
        clean = cap.observe(LinkMeasurements(capacity_bps=4e6), 36.0, 15.0, 0.0)
        lossy = cap.observe(LinkMeasurements(capacity_bps=4e6, loss=0.1), 36.0, 15.0, 200.0)
        assert lossy == pytest.approx(0.8 * clean)

    def test_a_publisher_that_controls_itself_is_left_at_the_most(self) -> None:
        cap = BitrateController(1.5e6, 4e6)
        cap.observe(LinkMeasurements(capacity_bps=float("inf")), 36.0, 15.0, 0.0)
        decided = cap.decide(4e6, 0.0)
        assert decided is not None
        assert decided.bps == 4e6


class TestStates:
    """The regimes, one after the other."""

    @staticmethod
    def _controller() -> BitrateController:
        cap = BitrateController(1.5e6, 4e6)
        states = {cap.state}
        for now_ms in range(0, 3_000, 100):
            cap.observe(LinkMeasurements(capacity_bps=8e6), 36.0, 15.0, now_ms)
            cap.decide(4e6, now_ms)
            states.add(cap.state)
        assert states == {State.STARTING, State.STEADY}
        assert cap.bps == 4e6
        return cap

    def test_a_queue_is_drained_and_recovered_from(self) -> None:
        cap = self._controller()
        states, caps = [], []
        for now_ms in range(3_000, 4_000, 100):
            queue_ms = 60.0 if now_ms < 3_500 else 0.0
            cap.observe(LinkMeasurements(capacity_bps=5e6, queue_ms=queue_ms), 36.0, 15.0, now_ms)
            cap.decide(4e6, now_ms)
            states.append(cap.state)
            caps.append(cap.bps or 0.0)
        assert states[:5] == [State.DRAINING] * 5
        assert max(caps[:5]) < 2e6
        assert State.RECOVERING in states[5:]
        assert max(caps[5:]) == pytest.approx(0.54 * 5e6)

    def test_a_queue_that_stays_is_competed_with_until_it_is_gone(self) -> None:
        cap = self._controller()
        link = LinkMeasurements(capacity_bps=4e6, queue_ms=60.0)
        states = []
        for now_ms in range(3_000, 5_500, 100):
            cap.observe(link, 36.0, 15.0, now_ms)
            cap.decide(4e6, now_ms)
            states.append(cap.state)
        assert states == [State.DRAINING] * 16 + [State.COMPETING] * 9
        for now_ms in range(5_500, 12_000, 100):
            cap.observe(LinkMeasurements(capacity_bps=4e6), 36.0, 15.0, now_ms)
            cap.decide(4e6, now_ms)
        assert cap.state is State.STEADY


links = st.builds(
    LinkMeasurements,
    capacity_bps=st.none() | st.floats(0, 1e10),
    available_bps=st.none() | st.floats(0, 1e10),
    queue_ms=st.floats(0, 1e5),
    loss=st.floats(0, 1),
    network_ms=st.none() | st.floats(0, 1e5),
    frame_bits=st.none() | st.floats(0, 1e9),
)


@settings(deadline=None)
@given(
    st.lists(st.tuples(links, st.floats(0, 3000), st.floats(1e4, 1e8)), min_size=1, max_size=40),
    st.floats(1, 500),
    st.floats(1, 120),
)
def test_whatever_is_measured_the_cap_is_bounded(
    steps: list[tuple[LinkMeasurements, float, float]], crossing_ms: float, fps: float
) -> None:
    cap, now_ms = BitrateController(1.5e6, 4e6), 0.0
    for link, gap_ms, useful_bps in steps:
        now_ms += gap_ms
        assert MIN_BPS <= cap.observe(link, crossing_ms, fps, now_ms, 60.0) <= 4e6
        decided = cap.decide(useful_bps, now_ms)
        assert MIN_BPS <= (cap.bps or 0.0) <= 4e6
        if decided is not None:
            assert decided.reason
            assert decided.bps == cap.bps
