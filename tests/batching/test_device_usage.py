"""What a device has done."""

from __future__ import annotations

from edge.batching.device_usage import DeviceUsage


def test_a_device_is_busy_while_a_batch_is_there() -> None:
    usage = DeviceUsage()
    usage.began(100.0)
    assert usage.busy_until(130.0) == 30.0
    usage.ended(4, 150.0)
    usage.began(200.0)
    usage.ended(2, 210.0)
    assert usage.busy_until(1000.0) == usage.busy_ms == 60.0
    assert (usage.batches, usage.frames) == (2, 6)
    assert usage.sizes == {4: 1, 2: 1}
