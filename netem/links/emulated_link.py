"""An emulated link: a namespace, and a shaped uplink from it to the outside."""

from __future__ import annotations

import contextlib
import ipaddress
import itertools
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netem.links.link_log import LinkLog
from netem.links.namespace import (
    LinkError,
    Namespace,
    exclusively,
    index_of,
    missing,
    signals_deferred,
    sweep,
)
from netem.links.token_bucket import BURST_BYTES, LEAST_BPS, TokenBucketFilter, TraceReplayer
from netem.links.tun_link import TunLink
from netem.links.uplink import Uplink
from traces.trace import Trace, constant

Kind = Literal["auto", "kernel", "tun"]
ADDRESSES = ipaddress.ip_network("10.213.0.0/16")
TUN = Path("/dev/net/tun")
NETEM_HANDLE = 0x10000
NETEM_PACKETS = 10_000
FIRST_METRIC, SECOND_METRIC = 100, 200  # of default routes; the lower one is used

_numbers = itertools.count()  # of interfaces


class EmulatedLink:
    """A link from `namespace` (at `inside_address`) to this machine (at `outside_address`).

    It exists while the context is entered. The uplink, from the namespace, has the rate of a trace,
    a drop-tail queue, a one-way delay `delay_ms`, jitter, loss and reordering, as in Uplink. The
    downlink has a delay only: `down_delay_ms`, the same by default, so that the round trip grows by
    twice the delay.

    `kind` is `kernel` (veth, tbf and, if needed, kernel netem), `tun` (a process between two TUN
    devices), or `auto`: kernel if it supports everything requested. `used` and `why` hold the
    choice and its reason. `log` is a CSV of the uplink's state (netem.links.link_log.LinkSample).
    `default_route` routes all the namespace's traffic here, not only that for `outside_address`.
    With `beside`, an entered link, this is a second one from its namespace, as a phone has two; its
    default route counts once the first one's is gone.

    `origin_ms` is the trace's time 0 on this machine's monotonic clock. Needs root. Raises
    LinkError, and ValueError for values out of range.
    """

    def __init__(
        self,
        trace: Trace,
        *,
        delay_ms: float = 0.0,
        jitter_ms: float = 0.0,
        loss: float = 0.0,
        loss_burst: int = 1,
        reorder: float = 0.0,
        queue_ms: float = 200.0,
        queue_bytes: int | None = None,
        down_delay_ms: float | None = None,
        kind: Kind = "auto",
        seed: int = 0,
        log: Path | None = None,
        default_route: bool = False,
        beside: EmulatedLink | None = None,
    ) -> None:
        self._uplink = Uplink(
            trace, delay_ms, jitter_ms, loss, reorder, queue_ms, queue_bytes, seed, loss_burst
        )
        self._down_delay_ms = delay_ms if down_delay_ms is None else down_delay_ms
        if self._down_delay_ms < 0.0:
            raise ValueError("the delay of the downlink: not below 0")
        self._kind: Kind = kind
        self._log = log
        self._default_route = default_route
        self._beside = beside
        self._stack = contextlib.ExitStack()
        self._space: Namespace
        self._shaping: TunLink | TraceReplayer
        self._inside = ""  # the interface
        self.inside_address = ""
        self.outside_address = ""
        self.used = ""
        self.why = ""

    @property
    def namespace(self) -> str:
        """The namespace's name, as `ip netns` shows it."""
        return self._space.name

    @property
    def origin_ms(self) -> float:
        """The trace's time 0 on the monotonic clock."""
        return self._shaping.origin_ms

    def set_rate(self, rate_bps: float) -> None:
        """Replace the trace by a constant rate, in bit/s; the queue keeps its size in bytes."""
        self._check(rate_bps)
        self._shaping.follow(constant(rate_bps))

    def follow(self, trace: Trace) -> None:
        """Follow another trace's rate, from its beginning.

        The queue keeps its size in bytes; delay, jitter and loss stay.
        """
        self._check(float(trace.rate_bps.min()))
        self._shaping.follow(trace)

    def _check(self, rate_bps: float) -> None:
        if rate_bps < (0.0 if self.used == "tun" else LEAST_BPS):
            raise ValueError(f"{rate_bps:g} bit/s: too low for a {self.used} link")

    def take_down(self) -> None:
        """Take the namespace's interface down, and its routes away; blocks."""
        self._set("down")

    def bring_up(self) -> None:
        """Bring the interface up again, with the default route if it had one; blocks."""
        self._set("up", *((self.outside_address, str(self._metric)) if self._default_route else ()))

    def _set(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "netem.links.interface", self._inside, *arguments]
        status = self.popen(command, cwd=Path(__file__).parents[2]).wait()
        if status:
            raise LinkError(f"the interface {self._inside} could not be set {arguments[0]}")

    @property
    def _metric(self) -> int:
        return SECOND_METRIC if self._beside else FIRST_METRIC

    def check(self) -> None:
        """Raise LinkError if the link has stopped working."""
        if not self._shaping.alive:
            raise LinkError(f"the {self.used} link of {self.namespace} has failed")

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in the namespace; it ends with the link. Options: subprocess.Popen's."""
        return self._space.popen(command, **options)

    def __enter__(self) -> EmulatedLink:
        obstacle = missing()
        if obstacle:
            raise LinkError(f"links cannot be made here: {obstacle}")
        try:
            with signals_deferred(), exclusively():
                sweep()
                self._make()
        except NetlinkError as error:
            self.close()
            raise LinkError(f"the kernel refused to make the link: {error}") from error
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes in the namespace and remove the link; idempotent."""
        with signals_deferred():
            self._stack.close()

    def _make(self) -> None:
        self._space = (
            self._beside._space if self._beside else self._stack.enter_context(Namespace())
        )
        here = self._stack.enter_context(IPRoute())
        there = self._stack.enter_context(IPRoute(netns=self._space.name))
        tag = self._space.name.split("-")[1], next(_numbers)
        inside, outside = (f"el{tag[0]}{side}{tag[1]}" for side in "io")
        self._inside = inside
        self.outside_address, self.inside_address = _free_pair(here)
        self.used, self.why = self._choose(there)
        if self.used == "tun":
            shaping: TunLink | TraceReplayer = TunLink(
                self._space.name,
                (inside, outside),
                uplink=self._uplink,
                down_delay_ms=self._down_delay_ms,
                log=self._log,
            )
        else:
            shaping = self._make_kernel(here, there, inside, outside)
        self._shaping = shaping
        self._stack.callback(shaping.close)
        for route, name, address in (
            (there, inside, self.inside_address),
            (here, outside, self.outside_address),
        ):
            index = index_of(route, name)
            route.addr("add", index=index, address=address, prefixlen=30)
            route.link("set", index=index, state="up")
        if self._default_route:
            there.route("add", dst="default", gateway=self.outside_address, priority=self._metric)
        shaping.start()

    def _choose(self, there: IPRoute) -> tuple[str, str]:
        """The kind to use, and the reason."""
        wants_netem = bool(self._uplink.delay_ms or self._uplink.loss or self._down_delay_ms)
        obstacle = self._obstacle(wants_netem, there)
        if self._kind == "tun" or (self._kind == "auto" and obstacle):
            if not TUN.exists():
                other = obstacle or "not requested"
                raise LinkError(f"no TUN link: no {TUN}; no kernel link: {other}")
            return "tun", obstacle or "requested"
        if obstacle:
            raise LinkError(f"no kernel link: {obstacle}")
        return ("tbf+netem" if wants_netem else "tbf"), "the kernel supports everything requested"

    def _obstacle(self, wants_netem: bool, there: IPRoute) -> str | None:
        """The reason that the kernel cannot emulate the link; None if it can."""
        uplink = self._uplink
        if uplink.trace.rate_bps.min() < LEAST_BPS:
            return "the trace has outages, which tbf cannot follow"
        if uplink.jitter_ms:
            return "jitter without reordering, which netem lacks"
        if uplink.loss_burst > 1:
            return "losses in bursts, which only the TUN link has"
        if uplink.varies:
            return "the trace has delay, jitter or loss of its own"
        if not _supports(there, "tbf", rate=1_000_000, burst=BURST_BYTES, limit=BURST_BYTES):
            return "this kernel has no tbf"
        if wants_netem and not _supports(there, "netem", delay=0):
            return "this kernel has no netem"
        return None

    def _make_kernel(
        self, here: IPRoute, there: IPRoute, inside: str, outside: str
    ) -> TraceReplayer:
        uplink = self._uplink
        peer = {"ifname": inside, "net_ns_fd": self._space.name}
        here.link("add", ifname=outside, kind="veth", peer=peer)
        out_index, in_index = index_of(here, outside), index_of(there, inside)
        self._stack.callback(_delete, here, out_index)
        parent = None
        if self.used == "tbf+netem":
            netem = {"handle": NETEM_HANDLE, "limit": NETEM_PACKETS}
            reorder = {"prob_reorder": uplink.reorder * 100.0} if uplink.reorder else {}
            delay_us, loss = round(uplink.delay_ms * 1000.0), uplink.loss * 100.0
            there.tc("add", "netem", in_index, delay=delay_us, loss=loss, **reorder, **netem)
            if self._down_delay_ms:
                here.tc(
                    "add", "netem", out_index, delay=round(self._down_delay_ms * 1000.0), **netem
                )
            parent = NETEM_HANDLE + 1
        first_bps = uplink.trace.rate_at(0.0)
        tbf = TokenBucketFilter(
            there, in_index, rate_bps=first_bps, limit_bytes=uplink.limit_bytes, parent=parent
        )
        return TraceReplayer(tbf, uplink.trace, LinkLog(self._log))


def _free_pair(here: IPRoute) -> tuple[str, str]:
    """The (outside, inside) addresses of an unused /30."""
    used = {message.get_attr("IFA_ADDRESS") for message in here.get_addr()}
    subnets: Iterator[ipaddress.IPv4Network] = ADDRESSES.subnets(new_prefix=30)  # type: ignore[assignment]
    for subnet in subnets:
        outside, inside = map(str, subnet.hosts())
        if outside not in used:
            return outside, inside
    raise LinkError(f"no free address in {ADDRESSES}")


def _supports(there: IPRoute, discipline: str, **options: int) -> bool:
    """Whether the kernel has a queueing discipline: tried on the namespace's loopback."""
    loopback = index_of(there, "lo")
    try:
        there.tc("add", discipline, loopback, handle=NETEM_HANDLE, **options)
    except NetlinkError:
        return False
    there.tc("del", discipline, loopback, handle=NETEM_HANDLE, **options)
    return True


def _delete(route: IPRoute, index: int) -> None:
    with contextlib.suppress(NetlinkError):  # removed with its namespace
        route.link("del", index=index)
