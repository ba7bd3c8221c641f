"""What a session knows, put to the law of hints; the room that a collective scheduler will take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edge.hint import Hint, HintController, Measurements, largest_edge
from edge.profile import Profile
from edge.variant import EDGES, STRIDE, Variant

DECIDE_EVERY_MS = 200.0
RESERVE_MS = 4.0  # of the budget, for handing pictures over and for timers
UNTRIED_PART = 0.25  # of the budget, until the devices have answered this session's own frames


@dataclass(frozen=True, slots=True)
class Link:
    """A session's measurements at a moment; None where nothing was measured yet."""

    size: tuple[int, int] | None
    slo_ms: float
    fps: float
    left_ms: float | None
    """Of the SLO, for queueing and inference."""
    answered: bool
    """Whether inference has been measured on this session's own frames."""
    left_for_network_ms: float | None
    capacity_bps: float | None
    available_bps: float | None
    queue_ms: float
    loss: float
    network_ms: float | None


@dataclass(frozen=True, slots=True)
class Demand:
    """Sessions that share the devices, and the frames a second that they are asked for."""

    sessions: int
    total_fps: float


class SessionHints:
    """One session's hints and the variants that its frames may be served with."""

    def __init__(
        self,
        network: str,
        edges: Sequence[int],
        profiles: Sequence[Profile],
        demand: Callable[[], Demand],
        max_bps: int,
    ) -> None:
        self._network = network
        self._edges = sorted(edges)
        self._profiles = profiles
        self._demand = demand
        self._controller = HintController(network, max_edge=self._edges[-1], max_bps=max_bps)
        self._restate = False
        self._decided_ms = float("-inf")

    @property
    def current(self) -> Hint | None:
        return self._controller.current

    @property
    def variant_names(self) -> list[str]:
        return [Variant(self._network, edge).name for edge in self._edges]

    def variants(self, size: tuple[int, int]) -> tuple[str, ...]:
        """Names for a picture of this size, best first: from the hinted one down.

        An input larger than the picture itself would only be interpolation, so it is left out,
        unless nothing smaller is allowed.
        """
        hint = self.current
        longest = -(-max(size) // STRIDE) * STRIDE
        top = EDGES[-1] if hint is None else Variant.parse(hint.variant).edge
        fitting = [edge for edge in self._edges if edge <= min(top, longest)]
        return tuple(
            Variant(self._network, edge).name for edge in reversed(fitting or self._edges[:1])
        )

    def restate(self) -> None:
        """The publisher may not have heard the hint in force: say it again."""
        self._restate = True

    def decide(self, link: Link, now_ms: float, *, urgent: bool = False) -> Hint | None:
        """The hint to tell now, if any; an urgent question is answered however soon it comes."""
        if not urgent and not self._restate and now_ms - self._decided_ms < DECIDE_EVERY_MS:
            return None
        self._decided_ms = now_ms
        width, height = link.size or (16, 9)
        self._controller.set_shape(width, height)
        changed = self._controller.decide(
            Measurements(
                slo_ms=link.slo_ms,
                fps=link.fps,
                served_edge=self._served_edge(link, width / height),
                capacity_bps=link.capacity_bps,
                available_bps=link.available_bps,
                queue_ms=link.queue_ms,
                loss=link.loss,
                network_ms=link.network_ms,
                left_ms=link.left_for_network_ms,
            ),
            now_ms,
        )
        if changed is None and not self._restate:
            return None
        self._restate = False
        return self.current

    def _served_edge(self, link: Link, aspect: float) -> int | None:
        """The largest edge that the devices serve, taking sessions as spread evenly over them."""
        demand = self._demand()
        own_fps = link.fps if self.current is None else self.current.fps
        devices = len(self._profiles)
        budget_ms = link.slo_ms if link.left_ms is None else link.left_ms
        if not link.answered:
            budget_ms *= UNTRIED_PART
        served = [
            largest_edge(
                profile,
                self._network,
                aspect,
                budget_ms - RESERVE_MS,
                max(own_fps, demand.total_fps / devices),
                sessions=max(1, -(-demand.sessions // devices)),
            )
            for profile in self._profiles
        ]
        return max((edge for edge in served if edge is not None), default=None)
