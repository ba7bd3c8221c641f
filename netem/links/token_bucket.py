"""The rate of a kernel link: a token bucket filter (tbf) whose rate follows a trace.

A change keeps the queue, but refills the bucket. With ten changes a second that would add several
per cent, so a step's rate is lowered by one burst over the step, which is exact while there is a
backlog.

tbf counts the 14 bytes of each packet's Ethernet header; rates are raised by 1.1 %, their share of
packets of 1,250 bytes, so that IP packets get the trace's rate.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time

from pyroute2 import IPRoute

from netem.links.link_log import PERIOD_MS, LinkLog, LinkSample
from traces.trace import Trace

LEAST_BPS = 64_000.0
"""The least rate: below it, a packet may wait by the old rate after a change. No outages."""
BURST_BYTES = 3_200
BURST_MS = 2.0
"""The bucket's size: two full packets, or 2 ms at the rate. Smaller ones lose rate to late timers,
larger ones let bursts through."""
NICE = -15
"""The priority of the emulation, so that the clients behind the link do not delay it."""
ETHERNET = 1.0 + 14.0 / 1_250.0


class TokenBucketFilter:
    """A tbf on an interface, through a netlink handle in its namespace."""

    def __init__(
        self,
        route: IPRoute,
        index: int,
        *,
        rate_bps: float,
        limit_bytes: int,
        parent: int | None = None,
    ) -> None:
        self._route = route
        self._index = index
        self._place = {"handle": 0x100000, **({"parent": parent} if parent else {})}
        self._limit_bytes = limit_bytes
        self._request("add", rate_bps, BURST_BYTES)

    def change(self, rate_bps: float, step_ms: float) -> None:
        """Change the rate, for a step of that length; the queue stays."""
        burst_bytes = max(BURST_BYTES, round(rate_bps * BURST_MS / 8000.0))
        refill_bps = burst_bytes * 8000.0 / max(step_ms, 1.0)
        self._request("change", max(rate_bps - refill_bps, LEAST_BPS), burst_bytes)

    def sample(self, rate_bps: float) -> LinkSample:
        """The present counters."""
        for disc in self._route.get_qdiscs(self._index):
            if disc["handle"] == self._place["handle"]:
                stats = disc.get_attr("TCA_STATS2")
                basic, queue = stats.get_attr("TCA_STATS_BASIC"), stats.get_attr("TCA_STATS_QUEUE")
                now_ms = time.monotonic() * 1000.0
                return LinkSample(
                    now_ms, rate_bps, basic["bytes"], queue["backlog"], queue["drops"], 0
                )
        raise LookupError("the tbf has been removed")

    def _request(self, command: str, rate_bps: float, burst_bytes: int) -> None:
        size = {"limit": self._limit_bytes, "burst": burst_bytes}
        rate = round(rate_bps * ETHERNET / 8.0)  # tc counts bytes
        self._route.tc(command, "tbf", self._index, rate=rate, **self._place, **size)


class TraceReplayer:
    """A thread that sets a tbf's rate by a trace, and logs the link's state."""

    def __init__(self, tbf: TokenBucketFilter, trace: Trace, log: LinkLog) -> None:
        self._tbf = tbf
        self._trace = trace
        self._log = log
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._stopped = False
        self.origin_ms = 0.0
        self._thread = threading.Thread(target=self._run, name="replayer", daemon=True)

    def start(self) -> None:
        """Start; this is the trace's time 0."""
        self.origin_ms = time.monotonic() * 1000.0
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def follow(self, trace: Trace) -> None:
        """Follow another trace, from its beginning."""
        with self._lock:
            self._trace = trace
            self.origin_ms = time.monotonic() * 1000.0
        self._wake.set()

    def close(self) -> None:
        """Stop; the last rate stays."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._log.close()

    def _run(self) -> None:
        with contextlib.suppress(PermissionError):  # on Linux, of this thread alone
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        set_bps = 0.0
        sample_ms = time.monotonic() * 1000.0
        while not self._stopped:
            now_ms = time.monotonic() * 1000.0
            with self._lock:
                trace, origin_ms = self._trace, self.origin_ms
            t_ms = max(now_ms - origin_ms, 0.0)
            rate_bps = trace.rate_at(t_ms)
            change_ms = origin_ms + trace.next_change_ms(t_ms)
            if rate_bps != set_bps:
                self._tbf.change(rate_bps, change_ms - now_ms)
                set_bps = rate_bps
            if self._log and now_ms >= sample_ms:
                self._log.add(self._tbf.sample(rate_bps))
                sample_ms += PERIOD_MS
            until_ms = min(change_ms, sample_ms) if self._log else change_ms
            self._wake.wait(max(until_ms / 1000.0 - time.monotonic(), 0.0))
            self._wake.clear()
