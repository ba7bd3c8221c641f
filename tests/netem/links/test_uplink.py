"""An uplink's values and stages: limits, queue size, a trace with conditions of its own."""

from typing import Any

import numpy as np
import pytest

from netem.links.uplink import Uplink, UplinkPath
from traces import Trace, constant


def test_the_queue_is_so_long_at_the_mean_rate() -> None:
    two = Trace(np.array([0.0, 500.0]), np.array([16e6, 0.0]), 1000.0)
    assert Uplink(two, queue_ms=200.0).limit_bytes == 200_000
    assert Uplink(constant(1e5), queue_ms=1.0).limit_bytes == 15_140
    assert Uplink(two, queue_bytes=3000).limit_bytes == 3000


@pytest.mark.parametrize(
    "values",
    [
        {"delay_ms": -1.0},
        {"loss": 1.1},
        {"loss": -0.1},
        {"reorder": 2.0, "delay_ms": 1.0},
        {"reorder": 0.1},
        {"queue_ms": 0.0},
        {"queue_bytes": 0},
        {"loss_burst": 0},
    ],
)
def test_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"not below|shares|needs a delay|the queue|a burst"):
        Uplink(constant(1e6), **values)


def test_stages_hand_on_exact_times() -> None:
    path = UplinkPath(Uplink(constant(1e6), delay_ms=20.0), origin_ms=0.0)
    path.put(bytes(1000), 0.0)
    path.put(bytes(1000), 0.0)
    assert path.next_ms == pytest.approx(8.0)
    assert path.take(17.0) == []
    assert path.next_ms == pytest.approx(28.0)
    assert [round(at_ms, 3) for at_ms, _ in path.take(100.0)] == [28.0, 36.0]
    assert path.next_ms is None


def test_a_traces_own_delay_and_loss_come_on_top() -> None:
    trace = Trace(
        np.array([0.0, 100.0, 200.0]),
        np.full(3, 8e6),
        300.0,
        delay_ms=np.array([0.0, 50.0, 0.0]),
        loss=np.array([0.0, 0.0, 1.0]),
    )
    path = UplinkPath(Uplink(trace, delay_ms=10.0), origin_ms=1000.0)
    for now_ms in (1000.0, 1150.0, 1250.0, 1300.0):
        path.put(bytes(1000), now_ms)
    assert [round(at_ms) for at_ms, _ in path.take(2000.0)] == [1011, 1211, 1311]
    assert path.loss.lost == 1


def test_losses_come_in_bursts() -> None:
    path = UplinkPath(Uplink(constant(8e6), loss=0.1, loss_burst=20), origin_ms=0.0)
    came: list[int] = []
    for number in range(400):
        path.put(number.to_bytes(1000), 2.0 * number)
        came += [int.from_bytes(packet) for _, packet in path.take(2.0 * number + 1.0)]
    missing = set(range(400)) - set(came)
    assert missing
    first = min(missing)
    assert set(range(first, first + 20)) <= missing


def test_a_change_of_rate_loses_nothing() -> None:
    path = UplinkPath(Uplink(constant(1e6), delay_ms=5.0), origin_ms=0.0)
    for _ in range(3):
        path.put(bytes(1000), 0.0)
    path.change(constant(8e6), 12.0, 12.0)
    assert [round(at_ms, 3) for at_ms, _ in path.take(100.0)] == [13.0, 17.5, 18.5]
