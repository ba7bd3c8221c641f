"""The server's own planner and hints in the simulator, and the policies that fix one half of it."""

import itertools

import pytest

from analysis.simulator.policies.planned import Planned
from analysis.simulator.run import SimulationRun
from analysis.simulator.specification import PolicyName
from edge.profile.variant import Variant
from edge.scheduling.planner import PERIOD_MS
from netem.experiment.fixed_size import fixed_long_side
from tests.analysis.simulator.experiment import ROOT, run


def policy_of(made: SimulationRun) -> Planned:
    assert isinstance(made.policy, Planned)
    return made.policy


def plan_times(made: SimulationRun, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """When each plan of the run will be made."""
    times: list[float] = []
    draft = policy_of(made).planner.draft

    def note(*rest: object) -> object:
        times.append(made.now_ms)
        return draft(*rest)  # type: ignore[arg-type]

    monkeypatch.setattr(policy_of(made).planner, "draft", note)
    return times


def test_plans_are_made_at_least_once_a_period(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("ours", seconds=4)
    times = plan_times(made, monkeypatch)
    made.run()
    assert times[0] == 0.0
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert max(gaps) <= PERIOD_MS
    assert min(gaps) > 0.0


def test_ours_changes_size_and_input() -> None:
    made = run("ours", clients=[16], seconds=5)
    tally = made.run()
    assert tally.size_changes > 0
    assert tally.variant_changes > 0


def test_data_only_keeps_one_input_and_changes_the_sent_size() -> None:
    made = run("data-only", seconds=5)
    expected = fixed_long_side(
        "yolov4", made.experiment.edges, made.shape, made.profiles,
        frames_a_second=2 * 15, slo_ms=100.0,
    )  # fmt: skip
    tally = made.run()
    assert policy_of(made).served == {"yolov4": [expected]}
    assert tally.variant_changes == 0
    assert {client.last_variant for client in made.clients} == {f"yolov4-{expected}"}
    assert tally.size_changes > 0


def test_dnn_only_sends_the_largest_size_whatever_the_hints_are() -> None:
    made = run("dnn-only", seconds=5)
    tally = made.run()
    assert tally.size_changes == 0
    assert {client.encoder.request.long_side for client in made.clients} == {608}


FAMILY = {
    "network": "yolov4-tiny",
    "family": ["yolov4"],
    "edges": [416, 608],
    "devices": [{"profile": ROOT / "profiles/sim-rtx2080ti.json", "count": 1}],
    "accuracy": {
        "file": ROOT / "profiles/accuracy-yolov4-tiny.json",
        "as_network": "yolov4-tiny",
        "factors": {"yolov4-tiny": 0.6, "yolov4": 1.0},
    },
}


def served(policy: PolicyName, clients: int) -> tuple[set[str], float, int]:
    """The networks that served a client last, the mean F1 of the feasible frames, the misses."""
    made = run(policy, clients=[clients], slo_ms=[150], **FAMILY)
    tally = made.run()
    last = {Variant.parse(client.last_variant).network for client in made.clients}
    return last, tally.f1_feasible / tally.feasible, sum(tally.misses.values())


def test_of_a_family_the_large_network_serves_while_there_is_time_and_both_when_full() -> None:
    assert served("ours", 1)[0] == {"yolov4"}
    assert served("first-network", 1)[0] == {"yolov4-tiny"}
    assert served("last-network", 1)[0] == {"yolov4"}
    networks, f1, misses = served("ours", 24)
    assert networks == {"yolov4-tiny", "yolov4"}
    assert misses == 0
    assert f1 > served("first-network", 24)[1]
    assert served("last-network", 24)[2] > 0  # it has not the time for all
