"""Policies without adaptation."""

import pytest

from analysis.simulator.specification import PolicyName
from tests.analysis.simulator.experiment import run


@pytest.mark.parametrize(("policy", "long_side"), [("smallest", 224), ("largest", 416)])
def test_one_size_is_sent_and_served_to_the_end(policy: PolicyName, long_side: int) -> None:
    made = run(policy, edges=[224, 320, 416], slo_ms=[400])
    tally = made.run()
    assert tally.size_changes == tally.variant_changes == 0
    assert {client.encoder.request.long_side for client in made.clients} == {long_side}
    assert {client.last_variant for client in made.clients} == {f"yolov4-{long_side}"}


def test_clients_are_spread_evenly_over_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    made = run("smallest", clients=[4])
    served: list[int] = []
    draw_time = made.devices.run

    def note(device: int, *rest: object) -> float:
        served.append(device)
        return draw_time(device, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(made.devices, "run", note)
    made.run()
    assert served.count(0) == pytest.approx(served.count(1), rel=0.2)
