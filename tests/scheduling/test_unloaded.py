"""Sessions whose models are not loaded wait, with a reason, and cost the others nothing."""

from __future__ import annotations

from dataclasses import replace

from edge.profile.variant import LONG_SIDES
from edge.scheduling.assignment import Pins
from edge.scheduling.controller import Controller
from edge.scheduling.planner import Planner
from edge.scheduling.unloaded import split
from tests.planning import accuracy, device
from tests.scheduling.test_controller import FakeSession
from tests.scheduling.test_planner import WIDE


def test_only_loaded_networks_are_planned() -> None:
    family = replace(WIDE, id="family", networks=("tiny", "full"))
    alone = replace(WIDE, id="alone", networks=("full",))
    default = replace(WIDE, id="default")
    pinned = replace(family, id="pinned", pins=Pins(variant="full-416"))
    everybody = [family, alone, default, pinned]
    planned, waiting = split(everybody, lambda network: network != "full")
    assert [(each.id, each.networks) for each in planned] == [
        ("family", ("tiny",)),
        ("default", ()),
    ]
    assert [(each.id, each.networks) for each in waiting] == [
        ("alone", ("full",)),
        ("pinned", ("full",)),
    ]
    assert split(everybody, None) == (everybody, [])
    assert split(everybody, lambda network: True) == (everybody, [])


async def test_a_session_waits_until_its_network_is_loaded() -> None:
    loaded = {"yolov4-tiny"}
    sessions = [FakeSession("a"), FakeSession("b")]
    sessions[1].latest = replace(sessions[1].latest, networks=("yolov4",))
    control = Controller(
        Planner({"yolov4-tiny": LONG_SIDES, "yolov4": LONG_SIDES}, accuracy()),
        lambda: sessions,
        lambda: [device()],
        is_loaded=loaded.__contains__,
        why_not_loaded=lambda networks: f"{networks[0]} is being loaded",
    )
    await control.decide()
    assert control.plan is not None
    assert control.plan.served == 1
    assert control.minimum_load < 1.0
    served, waiting = (each.assigned[-1] for each in sessions)
    assert served.variant is not None
    assert (waiting.variant, waiting.reason) == (None, "not served: yolov4 is being loaded")
    await control.stop()
