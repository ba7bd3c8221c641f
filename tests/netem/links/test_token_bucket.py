"""A tbf's parameters, and a thread that follows a trace with it; netlink is a stand-in."""

from __future__ import annotations

import threading
from typing import Any, cast

import numpy as np
import pytest

from netem.links.link_log import LinkLog
from netem.links.token_bucket import (
    BURST_BYTES,
    ETHERNET,
    LEAST_BPS,
    TokenBucketFilter,
    TraceReplayer,
)
from traces import Trace, constant


class FakeRoute:
    """Keeps the requests to the kernel."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, Any]]] = []

    def tc(self, command: str, kind: str, index: int, **options: Any) -> None:
        assert (kind, index) == ("tbf", 3)
        self.requests.append((command, options))


def test_a_step_is_lowered_by_the_burst_that_its_change_refills() -> None:
    route: Any = FakeRoute()
    tbf = TokenBucketFilter(route, 3, rate_bps=8e6, limit_bytes=50_000, parent=0x10001)
    tbf.change(8e6, 100.0)
    tbf.change(1e3, 100.0)
    (_, made), (_, changed), (_, least) = route.requests
    assert [command for command, _ in route.requests] == ["add", "change", "change"]
    assert made["rate"] == round(8e6 * ETHERNET / 8)
    assert (made["limit"], made["parent"], made["burst"]) == (50_000, 0x10001, BURST_BYTES)
    assert changed["rate"] == pytest.approx((8e6 - 80.0 * BURST_BYTES) * ETHERNET / 8, abs=1)
    assert least["rate"] == round(LEAST_BPS * ETHERNET / 8)


class FakeFilter:
    """Keeps the rates; `reached` is set after `count` of them."""

    def __init__(self, count: int) -> None:
        self.rates: list[float] = []
        self.count = count
        self.reached = threading.Event()

    def change(self, rate_bps: float, step_ms: float) -> None:
        self.rates.append(rate_bps)
        if len(self.rates) == self.count:
            self.reached.set()


def test_a_trace_is_followed_then_another_and_the_last_rate_stays() -> None:
    steps = Trace(np.array([0.0, 20.0]), np.array([2e6, 4e6]), 40.0)
    tbf = FakeFilter(count=5)
    replayer = TraceReplayer(cast(TokenBucketFilter, tbf), steps, LinkLog(None))
    replayer.start()
    assert tbf.reached.wait(30.0)
    tbf.reached.clear()
    tbf.count = len(tbf.rates) + 1
    before_ms = replayer.origin_ms
    replayer.follow(constant(9e6))
    assert replayer.origin_ms > before_ms
    while tbf.rates[-1] != 9e6:  # a change of the first trace may have come in between
        assert tbf.reached.wait(30.0)
        tbf.reached.clear()
        tbf.count = len(tbf.rates) + 1
    assert replayer.alive
    replayer.close()
    assert set(tbf.rates[:-1]) == {2e6, 4e6}
    assert all(one != other for one, other in zip(tbf.rates, tbf.rates[1:], strict=False))
