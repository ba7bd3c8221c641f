"""What a session is asked to send: longest edge, frame rate, bits.

The law, one session at a time, for as long as no scheduler decides for all of them:

- **Bits**: as many as cross the link in time (`edge.rtc.cap`), but no more than the size can make
  use of.
- **Size**: the largest that the workers serve and that the bits are enough for: below 0.08 bits a
  pixel a smaller picture is recognised better.
- **Down at once**: the size when bits fall short of half of what it needs; when they fall a little
  short, or the workers can't serve it, only once that has lasted (1 and 2 s): a new size costs a
  key frame, and the batcher can take a smaller variant of the pictures that come meanwhile.
- **Up with patience**: the size by one rung once 1.5 times its bits have been allowed for 3 s. A
  rung that had to be taken back soon doubles that patience, to a minute at most.

The bits a pixel come from YOLOv4-tiny's F1 on VP8 at 320 to 608 pixels, 0.1 to 3 Mbit/s, 12 and
15 frames a second, two clips: F1 saturates at about 0.6, and smaller wins below about 0.08.
"""

from dataclasses import dataclass
from math import inf

from edge.patience import Patience, Since
from edge.profile import Profile
from edge.rtc.cap import CAPACITY_PART, MIN_BPS, EncoderCap, LinkState, mbit
from edge.variant import EDGES, Variant

RUNGS = (128, 160, 192, 256, 320, 416, 512, 608)  # a size goes up by one of these at a time
MIN_EDGE, MIN_FPS = EDGES[0], 5.0
FPS_DOWN_MS = 1_000.0  # between two cuts of the frame rate
START_BPS = 1_500_000.0
WORTH_PX = 64  # a smaller change of size isn't worth its key frame
ENOUGH_BITS = 0.08  # a pixel: fewer, and a smaller picture is recognised better
USEFUL_BITS = 0.6  # a pixel: more buy nothing
CROSSING_PART = 0.6  # of the time left for the network, that a usual frame may take to cross
SHORT_MS = 1_000.0
UNSERVED_MS = 2_000.0
VARIANT_MS = 1_000.0
PATIENCE_MS, MAX_PATIENCE_MS = 3_000.0, 60_000.0
MAX_LOAD = 0.7  # of a device: what it shares cores with, and bursts, need the rest


@dataclass(frozen=True, slots=True)
class Hint:
    """Longest edge in pixels, frames a second, bits a second, the variant in mind, and why."""

    seq: int
    max_edge: int
    fps: float
    max_bps: int
    variant: str
    reason: str


@dataclass(frozen=True, slots=True)
class Measurements:
    """What a session knows when it asks for a decision; None where nothing was measured yet."""

    slo_ms: float
    fps: float
    """Frames a second that the publisher would like to send."""
    served_edge: int | None
    """The largest that the workers can serve; None if only fewer frames help (`largest_edge`)."""
    capacity_bps: float | None = None
    """Of the link, as its packets show."""
    available_bps: float | None = None
    """As the sender believes; only asked while the capacity is unknown."""
    queue_ms: float = 0.0
    """That packets wait on the way, over the least they do."""
    loss: float = 0.0
    """Part of the packets, 0 to 1."""
    network_ms: float | None = None
    """A high quantile of the time from capture to the frame's last packet."""
    left_ms: float | None = None
    """Of the SLO for the network, once all else is taken off."""


class HintController:
    """One session's hints. Pure; times are ms and never go back."""

    def __init__(
        self,
        network: str,
        *,
        aspect: float = 16 / 9,
        max_edge: int = EDGES[-1],
        start_bps: float = START_BPS,
        max_bps: float = inf,
    ) -> None:
        self._network = network
        self._aspect = max(aspect, 1.0 / aspect)
        self._max_edge = max_edge
        self._cap = EncoderCap(start_bps, max_bps)
        self._hint: Hint | None = None
        self._hint_ms = self._fps_ms = -inf
        self._short, self._unserved, self._room = Since(), Since(), Since()
        self._variant_room, self._fps_room = Since(), Since()
        self._edge_patience = Patience(PATIENCE_MS, MAX_PATIENCE_MS)
        self._fps_patience = Patience(PATIENCE_MS, MAX_PATIENCE_MS)

    @property
    def current(self) -> Hint | None:
        """The hint in force."""
        return self._hint

    def set_shape(self, width: int, height: int) -> None:
        """The picture's shape, once it is known or after a phone was turned."""
        if width > 0 and height > 0:
            self._aspect = max(width, height) / min(width, height)

    def decide(self, m: Measurements, now_ms: float) -> Hint | None:
        """The new hint, or None if the one in force stands; to be asked every 100 to 500 ms, and
        at once when the link steps."""
        served = min(_edge_floor(m.served_edge or MIN_EDGE), self._max_edge)
        if self._hint is None:
            return self._start(m, served, now_ms)
        hint = self._hint
        fps, fps_why = self._frame_rate(hint, m, now_ms)
        allowed_bps = self._allow(m, fps, now_ms)
        edge, edge_why = self._edge(hint, served, allowed_bps, fps, now_ms)
        cap = self._cap.decide(self._useful_bps(edge, fps), now_ms)
        variant, variant_why = self._variant(hint, served, edge, now_ms)
        if edge > hint.max_edge:
            self._edge_patience.up(now_ms)
            self._room = Since()
        elif edge < hint.max_edge:
            self._edge_patience.down(now_ms)
            self._short, self._unserved, self._room = Since(), Since(), Since()
        bps = hint.max_bps if cap is None else round(cap.bps)
        reason = edge_why or fps_why or (cap.reason if cap is not None else "") or variant_why
        if not reason:
            return None
        return self._say(Hint(hint.seq + 1, edge, fps, bps, variant, reason), now_ms)

    def _start(self, m: Measurements, served: int, now_ms: float) -> Hint:
        fps = max(MIN_FPS, m.fps)
        edge = min(served, self._fitting(self._allow(m, fps, now_ms), fps))
        cap = self._cap.decide(self._useful_bps(edge, fps), now_ms)
        assert cap is not None
        variant = Variant(self._network, edge).name
        return self._say(Hint(1, edge, fps, round(cap.bps), variant, cap.reason), now_ms)

    def _say(self, hint: Hint, now_ms: float) -> Hint:
        self._hint = hint
        self._hint_ms = now_ms
        return hint

    # Bits

    def _allow(self, m: Measurements, fps: float, now_ms: float) -> float:
        """Bits a second that the link carries in time now."""
        left_ms = 0.6 * m.slo_ms if m.left_ms is None else m.left_ms
        crossing_ms = min(max(CROSSING_PART * left_ms, 0.1 * m.slo_ms), 0.5 * m.slo_ms)
        slow = m.network_ms is not None and m.network_ms > max(left_ms, 0.3 * m.slo_ms)
        link = LinkState(
            capacity_bps=m.capacity_bps,
            available_bps=m.available_bps,
            queue_ms=m.queue_ms,
            loss=m.loss,
            slow_ms=m.network_ms if slow else None,
        )
        return self._cap.allow(link, crossing_ms, fps, now_ms)

    def _pixels(self, edge: int) -> float:
        return edge * edge / self._aspect

    def _useful_bps(self, edge: int, fps: float) -> float:
        return USEFUL_BITS * self._pixels(edge) * fps

    def _enough_bps(self, edge: int, fps: float) -> float:
        return ENOUGH_BITS * self._pixels(edge) * fps

    def _fitting(self, bps: float, fps: float) -> int:
        """The largest edge that so many bits are enough for."""
        fits = [e for e in EDGES if e <= self._max_edge and self._enough_bps(e, fps) <= bps]
        return max(fits, default=MIN_EDGE)

    # Size, variant, frame rate

    def _edge(
        self, hint: Hint, served: int, allowed_bps: float, fps: float, now_ms: float
    ) -> tuple[int, str]:
        edge = hint.max_edge
        needs_bps = self._enough_bps(edge, fps)
        short_ms = self._short.ms(allowed_bps < needs_bps, now_ms)
        fitting = self._fitting(allowed_bps, fps)
        if fitting < edge and (short_ms >= SHORT_MS or allowed_bps < 0.5 * needs_bps):
            return fitting, f"{mbit(allowed_bps)} in time is enough for {fitting} px"
        unserved_ms = self._unserved.ms(served <= edge - WORTH_PX, now_ms)
        if unserved_ms >= UNSERVED_MS:
            return served, f"server is busy: it can serve {served} px in time"
        least_bps = self._cap.least_bps
        rung = next((r for r in RUNGS if r > edge), RUNGS[-1])
        above = min(rung, served, self._max_edge, self._fitting(least_bps / 1.5, fps))
        worth = above > edge and (above - edge >= WORTH_PX or above == rung)
        if self._room.ms(worth, now_ms) >= self._edge_patience.ms:
            return above, f"room for {above} px"
        return edge, ""

    def _variant(self, hint: Hint, served: int, edge: int, now_ms: float) -> tuple[str, str]:
        old = Variant.parse(hint.variant).edge
        target = min(served, edge)
        room_ms = self._variant_room.ms(target > old, now_ms)
        if edge == hint.max_edge and target > old and room_ms < 2.0 * VARIANT_MS:
            target = old
        if edge == hint.max_edge and now_ms - self._hint_ms < VARIANT_MS:
            target = old
        why = ""
        if target != old:
            why = f"server {'is busy' if target < old else 'has room'}: detecting at {target} px"
        return Variant(self._network, target).name, why

    def _frame_rate(self, hint: Hint, m: Measurements, now_ms: float) -> tuple[float, str]:
        wanted = max(MIN_FPS, m.fps)
        most, why = wanted, "the camera gives"
        if m.capacity_bps is not None and CAPACITY_PART * m.capacity_bps < MIN_BPS:
            most = max(MIN_FPS, float(round(wanted * CAPACITY_PART * m.capacity_bps / MIN_BPS)))
            why = f"link fell to {mbit(m.capacity_bps)}:"
        fps = min(hint.fps, most)
        if m.served_edge is None and now_ms - self._fps_ms >= FPS_DOWN_MS:
            fps, why = max(MIN_FPS, min(fps, float(int(0.75 * hint.fps)))), "server is busy:"
        room = m.served_edge is not None and hint.fps < 0.9 * most
        if fps < hint.fps:
            self._fps_patience.down(now_ms)
        elif self._fps_room.ms(room, now_ms) >= self._fps_patience.ms:
            fps, why = min(most, float(int(1.5 * hint.fps) + 1)), "room for"
            self._fps_patience.up(now_ms)
        if fps == hint.fps:
            return fps, ""
        self._fps_room = Since()
        self._fps_ms = now_ms
        return fps, f"{why} {fps:.0f} frames a second"


def largest_edge(
    profile: Profile,
    network: str,
    aspect: float,
    budget_ms: float,
    total_fps: float,
    *,
    sessions: int = 1,
) -> int | None:
    """The largest edge at which one device serves all its sessions in time.

    `aspect` is width / height, `budget_ms` what the session's SLO leaves for queueing and
    inference, `total_fps` the frames a second of all `sessions` on the device. Serves means: the
    device is busy at most 70 % of the time, and its p99 latency, with the wait for a batch already
    under way (as likely as the device is busy; a lone session has none), fits the budget.

    Where no edge fits the budget, the smallest one that the device has time for: fewer frames
    would not be served any sooner. None if it has no time for any, so that only fewer frames help.
    """
    width, height = max(1, round(1000 * aspect)), 1000
    affordable: int | None = None
    for edge in reversed(EDGES):
        variant = Variant(network, edge)
        size = variant.input_size(width, height)
        for batch in range(1, min(profile.max_batch, max(1, sessions)) + 1):
            latency_ms = profile.latency_ms(variant.name, size, batch)
            load = total_fps * profile.typical_ms(variant.name, size, batch) / batch / 1000.0
            if load > MAX_LOAD:
                continue
            wait_ms = latency_ms * load if sessions > 1 else 0.0
            if latency_ms + wait_ms <= budget_ms:
                return edge
            affordable = edge
    return affordable


def _edge_floor(edge: int) -> int:
    return max((e for e in EDGES if e <= edge), default=MIN_EDGE)
