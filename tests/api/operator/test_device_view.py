"""Devices and the plan as the operator sees them."""

from __future__ import annotations

import json

from edge.api.operator.device_view import DeviceRates, DeviceView, PlanView, UsageRates
from edge.batching.device_usage import DeviceUsage
from edge.scheduling.assignment import Assignment
from edge.scheduling.plan import CycleStep, Plan
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.workers.pool import WorkerStatus


def _status(device: str = "cuda:0", memory: tuple[int, int] | None = (5, 10)) -> WorkerStatus:
    return WorkerStatus(
        device=device,
        description="a device",
        state="ready",
        pid=1,
        in_flight=1,
        batches=7,
        failures=2,
        restarts=3,
        memory=memory,
    )


def _usage(busy_ms: float, *batches: int) -> DeviceUsage:
    usage = DeviceUsage(busy_ms=busy_ms)
    usage.sizes.update(batches)
    return usage


def test_rates_are_of_the_time_between_the_oldest_sample_and_now() -> None:
    rates = DeviceRates()
    [(_, first)] = rates.sample([_status()], [_usage(1000.0, 4)], 10_000.0)
    assert first == UsageRates()
    [(_, second)] = rates.sample([_status()], [_usage(1500.0, 4, 4, 2)], 12_000.0)
    assert second == UsageRates(
        utilisation=0.25, frames_per_s=3.0, batches_per_s=1.0, mean_batch=3.0
    )


def test_old_samples_leave() -> None:
    rates = DeviceRates()
    busy_ms = 0.0
    for second in range(20):
        busy_ms += 1000.0 if second < 10 else 0.0
        [(_, latest)] = rates.sample([_status()], [_usage(busy_ms)], 1000.0 * second)
    assert latest == UsageRates()  # idle for longer than samples are kept


def test_an_idle_device_has_no_mean_batch_and_a_busy_one_is_used_to_the_full_at_most() -> None:
    rates = DeviceRates()
    rates.sample([_status()], [_usage(0.0)], 0.0)
    [(_, idle)] = rates.sample([_status()], [_usage(0.0)], 1000.0)
    assert idle.mean_batch is None
    [(_, busy)] = rates.sample([_status()], [_usage(5000.0)], 2000.0)
    assert busy.utilisation == 1.0


def test_devices_that_have_not_started_have_no_rates() -> None:
    rates = DeviceRates()
    assert rates.sample([_status()], [], 0.0)[0][1] == UsageRates()
    assert rates.sample([_status()], [], 1000.0)[0][1] == UsageRates()
    assert rates.sample([_status()], [_usage(500.0)], 2000.0)[0][1] == UsageRates()
    assert rates.sample([_status()], [_usage(1000.0)], 3000.0)[0][1].utilisation == 0.5


def test_a_simulated_device_is_named_as_one() -> None:
    view = DeviceView.of(1, _status("sim:profiles/t4.json", None), UsageRates(), [])
    assert (view.number, view.name, view.simulated) == (1, "sim", True)
    assert view.memory_bytes is view.memory_total_bytes is None
    view = DeviceView.of(0, _status(), UsageRates(utilisation=0.5), [])
    assert (view.name, view.simulated, view.utilisation) == ("cuda:0", False, 0.5)
    sent = json.loads(json.dumps(view.to_json()))
    assert (sent["memory_bytes"], sent["memory_total_bytes"]) == (5, 10)
    assert (sent["batches"], sent["failures"], sent["restarts"]) == (7, 2, 3)


PROBLEM = Problem(
    gpus=2,
    variants=(ProblemVariant("yolov4-tiny-416:416x416", 0.8, (10.0, 12.0)),),
    clients=tuple(
        ProblemClient(f"{name}-secret", fps=10.0, budget_ms=(80.0,))
        for name in ("aaaaaa", "bbbbbb", "cccccc")
    ),
)
PLAN = Plan(PROBLEM, "exact", "shared", ((CycleStep(0, 2, (0, 1)),), ()))


def _assignments(*variants: str | None) -> dict[str, Assignment]:
    return {
        client.id: Assignment(variant, 416, 1e6, 0.0, "")
        for client, variant in zip(PROBLEM.clients, variants, strict=True)
    }


def test_a_plan_names_sessions_without_their_secrets() -> None:
    variant = "yolov4-tiny-416"
    assignments = _assignments(variant, variant, None)
    view = PlanView.of(PLAN, assignments, 3.0)
    [[slot], idle] = view.devices
    assert (slot.variant, slot.input, slot.batch) == (variant, "416x416", 2)
    assert slot.sessions == ["aaaaaa", "bbbbbb"]
    assert idle == []
    assert (view.served, view.unserved) == (2, ["cccccc"])
    assert "secret" not in json.dumps(view.to_json())


def test_a_plan_is_summed_up_in_words() -> None:
    variant = "yolov4-tiny-416"
    words = PlanView.of(PLAN, _assignments(variant, variant, None), 3.0).words
    assert words == "2 sessions promised service on 1 device, 1 device idle; 1 session not served."
    words = PlanView.of(PLAN, _assignments(variant, variant, variant), 3.0).words
    assert "1 session tried without a promise" in words
    empty = Plan(Problem(1, (), ()), "exact", "shared", ((),))
    assert PlanView.of(empty, {}, 0.0).words == "No session, nothing to plan."
