"""Hints: the law, its floors and its calm."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.hint import MIN_FPS, Hint, HintController, Measurements, largest_edge
from edge.profile import Entry, Profile
from edge.rtc.cap import MIN_BPS
from edge.variant import EDGES, Variant

IDLE = Measurements(slo_ms=100.0, fps=15.0, served_edge=608, capacity_bps=8e6)


def run(
    at: Callable[[float], Measurements],
    seconds: float,
    *,
    every_ms: float = 200.0,
    controller: HintController | None = None,
) -> list[tuple[float, Hint]]:
    """All hints of a session that measures `at(time in ms)`."""
    controller = controller or HintController("yolov4-tiny")
    hints = []
    for step in range(int(seconds * 1000 / every_ms)):
        now = step * every_ms
        hint = controller.decide(at(now), now)
        if hint is not None:
            hints.append((now, hint))
            assert controller.current == hint
    return hints


def stepping(low_bps: float, from_s: float, to_s: float) -> Callable[[float], Measurements]:
    return lambda t: replace(
        IDLE, capacity_bps=low_bps if from_s * 1000 <= t < to_s * 1000 else 8e6
    )


class TestStart:
    def test_the_first_hint_comes_at_once_though_nothing_is_known(self) -> None:
        hint = HintController("yolov4-tiny").decide(replace(IDLE, capacity_bps=None), 0.0)
        assert hint is not None
        assert (hint.seq, hint.max_edge, hint.fps, hint.max_bps) == (1, 608, 15.0, 1_500_000)
        assert hint.variant == "yolov4-tiny-608"
        assert "not measured yet" in hint.reason

    def test_it_asks_for_no_more_than_the_workers_serve(self) -> None:
        hint = HintController("yolov4-tiny").decide(
            replace(IDLE, capacity_bps=None, served_edge=320), 0.0
        )
        assert hint is not None
        assert (hint.max_edge, hint.variant) == (320, "yolov4-tiny-320")
        assert hint.max_bps < 600_000  # more would buy nothing at this size

    def test_nothing_new_no_hint(self) -> None:
        assert len(run(lambda _: IDLE, 30)) == 1
        assert len(run(lambda _: replace(IDLE, capacity_bps=None), 30)) == 1


class TestLink:
    def test_bits_fall_at_once_and_the_size_stays_if_it_can(self) -> None:
        hints = run(stepping(1e6, 10, 20), 20)
        assert [t for t, _ in hints] == [0.0, 10_000.0]
        first, second = hints[0][1], hints[1][1]
        assert second.max_edge == first.max_edge == 608
        assert second.reason == "link fell to 1.0 Mbit/s"
        # A frame crosses in 36 ms: 0.6 of the 60 that are left unless measured.
        assert second.max_bps == pytest.approx(15 * 1e6 * 0.036, rel=0.01)

    def test_a_frame_crosses_within_its_share_of_the_slo(self) -> None:
        for slo_ms in (50.0, 100.0, 300.0):
            for capacity in (5e5, 1e6, 3e6):
                for left_ms in (None, 20.0, 0.7 * slo_ms):
                    m = replace(IDLE, slo_ms=slo_ms, capacity_bps=capacity, left_ms=left_ms)
                    ((_, hint),) = run(lambda _, m=m: m, 1)  # type: ignore[misc]
                    crossing_ms = 1000 * hint.max_bps / hint.fps / capacity
                    assert hint.max_bps <= max(MIN_BPS, 0.75 * capacity)
                    if hint.max_bps > MIN_BPS:
                        assert crossing_ms <= 0.5 * slo_ms

    def test_up_is_patient_and_by_steps(self) -> None:
        hints = run(stepping(1e6, 10, 20), 40)[2:]
        assert hints[0][0] >= 21_000
        assert hints[-1][0] <= 24_000
        bits = [hint.max_bps for _, hint in hints]
        assert bits == sorted(bits)
        assert all(b <= 1.5 * a + 1 for a, b in zip([540_000, *bits], bits, strict=False))
        assert bits[-1] > 1_700_000
        assert "8.0 Mbit/s again" in hints[0][1].reason

    def test_a_short_recovery_is_not_followed(self) -> None:
        hints = run(lambda t: replace(IDLE, capacity_bps=8e6 if t % 1000 < 400 else 1e6), 30)
        assert all(hint.max_bps <= 560_000 for t, hint in hints if t > 1000)
        assert len(hints) < 4

    def test_a_link_that_all_but_dies_takes_the_size_down_too(self) -> None:
        hints = run(stepping(2e5, 10, 20), 20)
        assert hints[1][0] == 10_000
        assert hints[1][1].max_edge <= 416
        assert hints[1][1].max_bps >= MIN_BPS

    def test_a_little_short_for_long_takes_the_size_down_after_a_while(self) -> None:
        hints = run(stepping(4e5, 10, 20), 20)  # 216 kbit/s in time: 608 px wants 249
        sizes = {hint.max_edge: t for t, hint in reversed(hints)}
        assert 11_000 <= min(t for edge, t in sizes.items() if edge < 608) <= 11_400

    def test_size_comes_back_rung_by_rung(self) -> None:
        hints = run(stepping(2e5, 10, 20), 60)
        edges = [hint.max_edge for t, hint in hints if t > 20_000]
        times = {hint.max_edge: t for t, hint in reversed(hints) if t > 20_000}
        assert edges == sorted(edges)
        assert edges[-1] == 608
        assert times[416] >= 23_000
        assert times[608] - times[512] >= 3_000

    @pytest.mark.parametrize("noise", [0.1, 0.25, 0.4])
    @pytest.mark.parametrize("capacity_bps", [3e5, 6e5, 2e6, 8e6])
    def test_a_noisy_steady_link_does_not_swing(self, noise: float, capacity_bps: float) -> None:
        rng = random.Random(5)
        hints = run(
            lambda _: replace(IDLE, capacity_bps=capacity_bps * rng.uniform(1 - noise, 1 + noise)),
            120,
        )
        settled = [hint for t, hint in hints if t > 20_000]
        assert len(settled) <= 8
        assert len({hint.max_edge for hint in settled}) <= 2
        changes = sum(a.max_edge != b.max_edge for a, b in pairwise(settled))
        assert changes <= 2

    def test_a_queue_is_drained(self) -> None:
        hints = run(lambda t: replace(IDLE, queue_ms=60.0 if 5000 <= t < 5800 else 0.0), 15)
        during = [hint for t, hint in hints if 5000 <= t < 5800]
        assert during[0].max_bps <= 0.45 * hints[0][1].max_bps
        assert "queue for 60 ms" in during[0].reason
        assert hints[-1][1].max_bps == hints[0][1].max_bps

    def test_losses_lower_bits(self) -> None:
        m = replace(IDLE, capacity_bps=2e6)
        hints = run(lambda t: replace(m, loss=0.1 if t >= 5000 else 0.0), 10)
        assert hints[1][0] == 5000
        assert hints[1][1].max_bps < 0.85 * hints[0][1].max_bps
        assert "10 % of the packets" in hints[1][1].reason

    def test_an_outage_goes_to_the_floors_and_comes_back(self) -> None:
        hints = run(stepping(2e4, 5, 8), 40)
        low = hints[1][1]
        assert (low.max_bps, low.fps) == (MIN_BPS, MIN_FPS)
        last = hints[-1][1]
        assert (last.max_edge, last.fps) == (608, 15.0)
        assert last.max_bps > 1_700_000


class TestServer:
    def test_a_busy_server_lowers_the_variant_at_once_and_the_size_if_it_lasts(self) -> None:
        hints = run(lambda t: replace(IDLE, served_edge=320 if t >= 5000 else 608), 20)
        (_, _), (soon_ms, soon), (later_ms, later) = hints
        assert (soon_ms, soon.max_edge, soon.variant) == (5000, 608, "yolov4-tiny-320")
        assert "server is busy" in soon.reason
        assert (later_ms, later.max_edge) == (7000, 320)
        assert later.max_bps < soon.max_bps

    def test_a_short_spell_costs_no_key_frame(self) -> None:
        hints = run(lambda t: replace(IDLE, served_edge=320 if 5000 <= t < 6500 else 608), 20)
        assert {hint.max_edge for _, hint in hints} == {608}
        assert hints[-1][1].variant == "yolov4-tiny-608"

    def test_a_small_difference_is_left_to_the_variant(self) -> None:
        hints = run(lambda t: replace(IDLE, served_edge=576 if t >= 5000 else 608), 20)
        assert hints[-1][1].max_edge == 608
        assert hints[-1][1].variant == "yolov4-tiny-576"

    def test_where_not_even_the_smallest_is_served_frames_become_fewer(self) -> None:
        hints = run(lambda t: replace(IDLE, fps=30.0, served_edge=None if t >= 5000 else 608), 30)
        rates = [hint.fps for _, hint in hints]
        assert rates == sorted(rates, reverse=True)
        assert hints[-1][1].fps == MIN_FPS
        assert hints[-1][1].max_edge == 128
        assert hints[1][0] == 5000

    def test_a_step_up_that_fails_is_retried_ever_later(self) -> None:
        controller = HintController("yolov4-tiny")
        served, ups, now = 320, [], 0.0
        for _ in range(1500):  # 5 min; every larger size turns out too much at once
            before = controller.current
            hint = controller.decide(replace(IDLE, served_edge=served), now)
            if hint is not None and before is not None and hint.max_edge > before.max_edge:
                ups.append(now)
            current = controller.current
            assert current is not None
            served = 320 if current.max_edge > 320 else 608
            now += 200.0
        gaps = [b - a for a, b in pairwise(ups)]
        assert len(ups) < 20
        assert gaps[-1] > 4 * gaps[0]


measured = st.builds(
    Measurements,
    slo_ms=st.floats(20, 5000),
    fps=st.floats(0, 120),
    served_edge=st.one_of(st.none(), st.sampled_from(EDGES)),
    capacity_bps=st.one_of(st.none(), st.floats(0, 1e10)),
    available_bps=st.one_of(st.none(), st.floats(0, 1e10)),
    queue_ms=st.floats(0, 1e5),
    loss=st.floats(0, 1),
    network_ms=st.one_of(st.none(), st.floats(0, 1e5)),
    left_ms=st.one_of(st.none(), st.floats(-1e4, 5000)),
)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(measured, st.floats(0, 5000)), min_size=1, max_size=40))
def test_whatever_is_measured_hints_are_sane(steps: list[tuple[Measurements, float]]) -> None:
    controller = HintController("yolov4-tiny")
    now, seq = 0.0, 0
    for m, gap_ms in steps:
        now += gap_ms
        before = controller.current
        hint = controller.decide(m, now)
        assert before is not None or hint is not None
        if hint is None:
            continue
        assert hint.seq == (seq := seq + 1)
        assert hint.max_edge in EDGES
        assert hint.max_bps >= MIN_BPS
        assert MIN_FPS <= hint.fps <= max(MIN_FPS, m.fps, before.fps if before else 0.0)
        assert Variant.parse(hint.variant).edge <= hint.max_edge
        assert hint.reason
        if before is not None:
            assert replace(before, seq=hint.seq, reason=hint.reason) != hint


@settings(max_examples=60, deadline=None)
@given(
    st.floats(5e4, 2e7),
    st.floats(1.0, 10.0),
    st.floats(40, 500),
    st.sampled_from([5.0, 15.0, 30.0]),
)
def test_a_better_link_never_gives_less(
    capacity_bps: float, times: float, slo_ms: float, fps: float
) -> None:
    worse, better = (
        HintController("yolov4-tiny").decide(
            Measurements(slo_ms=slo_ms, fps=fps, served_edge=608, capacity_bps=bps), 0.0
        )
        for bps in (capacity_bps, times * capacity_bps)
    )
    assert worse is not None
    assert better is not None
    assert better.max_bps >= worse.max_bps
    assert better.max_edge >= worse.max_edge


class TestLargestEdge:
    def device(self, fixed_ms: float = 0.0, pixels_ms: float = 46.0) -> Profile:
        entries = []
        for edge in EDGES:
            for batch in (1, 2, 4, 8):
                ms = fixed_ms + pixels_ms * batch * (edge / 608) ** 2
                entries.append(Entry(f"yolov4-tiny-{edge}", edge, edge, batch, ms, ms))
        return Profile(entries)

    @pytest.mark.parametrize(
        ("budget_ms", "total_fps", "sessions", "edge"),
        [
            (100.0, 15.0, 1, 608),
            (46.0, 15.0, 1, 608),
            (45.0, 15.0, 1, 576),  # its latency must fit the budget
            (100.0, 25.0, 1, 448),  # 29 ms for 480 px, 25 times a second, is over 70 %
            (46.0, 15.0, 3, 480),  # another session's batch may be under way
            (100.0, 120.0, 8, 192),
            (5.0, 15.0, 1, 192),
            (1.0, 15.0, 1, 128),  # none in time, but fewer frames would be no sooner
            (100.0, 1000.0, 8, None),
        ],
    )
    def test_of_a_square(
        self, budget_ms: float, total_fps: float, sessions: int, edge: int | None
    ) -> None:
        found = largest_edge(
            self.device(), "yolov4-tiny", 1.0, budget_ms, total_fps, sessions=sessions
        )
        assert found == edge

    def test_batches_count_where_they_pay(self) -> None:
        device = self.device(8.0, 12.0)
        alone = largest_edge(device, "yolov4-tiny", 1.0, 150.0, 75.0, sessions=1)
        shared = largest_edge(device, "yolov4-tiny", 1.0, 150.0, 75.0, sessions=8)
        assert alone is not None
        assert shared is not None
        assert shared > alone

    def test_a_wide_picture_may_be_larger_than_a_square_one(self) -> None:
        wide = largest_edge(self.device(), "yolov4-tiny", 16 / 9, 30.0, 15.0)
        tall = largest_edge(self.device(), "yolov4-tiny", 9 / 16, 30.0, 15.0)
        square = largest_edge(self.device(), "yolov4-tiny", 1.0, 30.0, 15.0)
        assert wide is not None
        assert square is not None
        assert wide == tall
        assert wide > square

    def test_a_slower_device_serves_less(self) -> None:
        device = self.device()
        for index in range(40):
            device.observe("yolov4-tiny-608", (608, 608), 1, 92.0, 66.0 * index)
        found = largest_edge(device, "yolov4-tiny", 1.0, 60.0, 15.0)
        assert found is not None
        assert found < 608

    def test_a_network_it_does_not_hold_is_not_served(self) -> None:
        assert largest_edge(self.device(), "yolov4", 1.0, 1000.0, 1.0) is None

    def test_a_budget_too_short_for_all_is_no_reason_for_fewer_frames(self) -> None:
        assert largest_edge(self.device(), "yolov4-tiny", 1.0, 0.1, 15.0) == EDGES[0]
        assert largest_edge(self.device(), "yolov4-tiny", 1.0, 1000.0, 1e6) is None
