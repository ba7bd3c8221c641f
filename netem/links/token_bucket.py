"""The rate of a kernel link: a token bucket (tbf) whose rate is changed in place by a trace.

A change keeps the queue, but gives the bucket back its full burst. Where the trace changes ten
times a second that would add several per cent; so a step's rate is set lower by one burst over the
step, which is exact while there is a backlog, when the rate matters.

tbf counts the 14 bytes of each packet's Ethernet header; rates are raised by the 1.1 % that they
are of packets of 1,250 bytes, so that IP packets get what the trace says.
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
"""Below this a tbf keeps a packet waiting by the old rate after a change: no outages with it."""
BURST_BYTES = 3_200
BURST_MS = 2.0
"""The bucket: two full packets, or so long at the rate. Less loses rate to timers that are late,
more lets bursts through."""
NICE = -15
"""The priority of what must be on time, so that the clients it serves don't delay it."""
ETHERNET = 1.0 + 14.0 / 1_250.0


class TokenBucketFilter:
    """A token bucket on an interface, through a netlink handle in its namespace."""

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
        """Another rate for so long, without touching what waits."""
        burst_bytes = max(BURST_BYTES, round(rate_bps * BURST_MS / 8000.0))
        refill_bps = burst_bytes * 8000.0 / max(step_ms, 1.0)
        self._request("change", max(rate_bps - refill_bps, LEAST_BPS), burst_bytes)

    def sample(self, rate_bps: float) -> LinkSample:
        """The counters now."""
        for disc in self._route.get_qdiscs(self._index):
            if disc["handle"] == self._place["handle"]:
                stats = disc.get_attr("TCA_STATS2")
                basic, queue = stats.get_attr("TCA_STATS_BASIC"), stats.get_attr("TCA_STATS_QUEUE")
                now_ms = time.monotonic() * 1000.0
                return LinkSample(
                    now_ms, rate_bps, basic["bytes"], queue["backlog"], queue["drops"], 0
                )
        raise LookupError("the tbf is gone")

    def _request(self, command: str, rate_bps: float, burst_bytes: int) -> None:
        size = {"limit": self._limit_bytes, "burst": burst_bytes}
        rate = round(rate_bps * ETHERNET / 8.0)  # tc counts bytes
        self._route.tc(command, "tbf", self._index, rate=rate, **self._place, **size)


class TraceReplayer:
    """A thread that sets a tbf's rate by a trace and records what it did."""

    def __init__(self, tbf: TokenBucketFilter, trace: Trace, record: LinkLog) -> None:
        self._tbf = tbf
        self._trace = trace
        self._record = record
        self._wake = threading.Event()
        self._lock = threading.Lock()
        self._stopped = False
        self.origin_ms = 0.0
        self._thread = threading.Thread(target=self._run, name="replayer", daemon=True)

    def start(self) -> None:
        """From now on; this is the trace's time 0."""
        self.origin_ms = time.monotonic() * 1000.0
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def follow(self, trace: Trace) -> None:
        """Goes on by another trace, from its beginning."""
        with self._lock:
            self._trace = trace
            self.origin_ms = time.monotonic() * 1000.0
        self._wake.set()

    def close(self) -> None:
        """Stops, leaving the last rate."""
        self._stopped = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        self._record.close()

    def _run(self) -> None:
        with contextlib.suppress(PermissionError):  # of this thread alone, as Linux has it
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
            if self._record and now_ms >= sample_ms:
                self._record.add(self._tbf.sample(rate_bps))
                sample_ms += PERIOD_MS
            until_ms = min(change_ms, sample_ms) if self._record else change_ms
            self._wake.wait(max(until_ms / 1000.0 - time.monotonic(), 0.0))
            self._wake.clear()
