"""One node as a director knows it: whether it is alive, who has its name, what it was given. Pure.

Silence alone ends no node: the engine between may be away, or this process have been late. A node
is gone only once it is silent and a request sent straight to it fails too.
"""

from __future__ import annotations

from typing import Literal

from edge.fleet.beat import Beat

SILENT_MS = 500.0  # two beats and a half
PROBE_EVERY_MS = 1_000.0  # of a silent node that answers: the engine is away
PROBE_GONE_EVERY_MS = 2_000.0  # of one that does not: it may come back while the engine is away
GONE_KEPT_MS = 600_000.0  # so that its sessions' publishers learn that they are gone

Liveness = Literal["fresh", "suspect", "vouched", "gone"]
"""`fresh`: it beats; `suspect`: silent, and being asked; `vouched`: silent, but it answered when
asked; `gone`: silent, and it did not answer."""

ProbeFailure = Literal["refused", "silent", "unsure"]
"""`refused`: nobody is there; `silent`: no answer in time; `unsure`: the prober itself was late."""

News = Literal["new", "restarted", "doubled"]


class KnownNode:
    """Begins with a first beat. Times are of the caller's clock, in ms."""

    def __init__(self, beat: Beat, now_ms: float) -> None:
        self.beat = beat
        self.rival: Beat | None = None
        """The last beat of another process that uses the same name; it gets nothing."""
        self._heard_ms = now_ms
        self._rival_ms = float("-inf")
        self._probed_ms = float("-inf")  # when the last probe ended
        self._is_probing = False
        self._has_failed = False  # the last probe, of a node that had answered before
        self._silence: Literal["suspect", "vouched", "gone"] = "suspect"
        self._in_flight = self._placed = 0
        self._is_full = False

    @property
    def name(self) -> str:
        return self.beat.node

    def hear(self, beat: Beat, now_ms: float) -> News | None:
        """Take a beat of this name.

        Another process takes the name over when the one that has it is silent, as after a restart;
        until then both beat, and the name is doubled: the sessions are with the former.
        """
        news: News | None = None
        if beat.incarnation != self.beat.incarnation:
            if not self._is_silent(now_ms):
                is_known = self.is_doubled(now_ms)
                self.rival, self._rival_ms = beat, now_ms
                return None if is_known else "doubled"
            news = "restarted"
            self.rival, self._rival_ms = None, float("-inf")
            self._in_flight = 0
        elif beat.seq < self.beat.seq:
            return None  # overtaken by a later one, on another way through a cluster
        self.beat = beat
        self._heard_ms = now_ms
        self._placed = 0
        self._is_full = self._has_failed = False
        self._silence = "suspect"
        return news

    def forgive(self, late_ms: float) -> None:
        """The caller itself was late: that is no silence of the node's."""
        self._heard_ms += late_ms

    def liveness(self, now_ms: float) -> Liveness:
        return self._silence if self._is_silent(now_ms) else "fresh"

    def is_doubled(self, now_ms: float) -> bool:
        """Whether two processes use this name now."""
        return now_ms - self._rival_ms < 2 * SILENT_MS

    def silent_ms(self, now_ms: float) -> float:
        return max(0.0, now_ms - self._heard_ms)

    # Probes

    def wants_probe(self, now_ms: float) -> bool:
        """Whether it should be asked directly now."""
        if self._is_probing or not self._is_silent(now_ms):
            return False
        if self._has_failed:
            return True
        every = {"suspect": 0.0, "vouched": PROBE_EVERY_MS, "gone": PROBE_GONE_EVERY_MS}
        return now_ms - self._probed_ms >= every[self._silence]

    @property
    def is_probing(self) -> bool:
        """Whether it is being asked directly."""
        return self._is_probing

    def begin_probe(self) -> None:
        self._is_probing = True

    def end_probe(
        self, answer: Beat | None, now_ms: float, failure: ProbeFailure = "silent"
    ) -> None:
        """`answer`: its beat, by a request straight to it; None: it failed, and how.

        While the engine is away all nodes are asked again and again: one that answered the last
        time and does not now is asked once more, since a busy node may be late some time.
        """
        self._is_probing = False
        if answer is None and failure == "unsure":
            return
        if answer is None and failure == "silent" and self._silence == "vouched":
            is_first, self._has_failed = not self._has_failed, not self._has_failed
            if is_first:
                return
        self._has_failed = False
        self._probed_ms = now_ms
        if answer is not None and answer.incarnation == self.beat.incarnation:
            self._silence = "vouched"
            if answer.seq >= self.beat.seq:
                self.beat = answer
                self._placed = 0
                self._is_full = False
        elif self._is_silent(now_ms):
            self._silence = "gone"

    def suspect(self, now_ms: float) -> None:
        """A request to it failed to connect: do not wait for its silence."""
        self._heard_ms = min(self._heard_ms, now_ms - SILENT_MS)
        self._probed_ms = float("-inf")
        self._has_failed = False
        if self._silence != "gone":
            self._silence = "suspect"

    def is_forgotten(self, now_ms: float) -> bool:
        return self.liveness(now_ms) == "gone" and now_ms - self._heard_ms > GONE_KEPT_MS

    # Placement

    @property
    def given(self) -> int:
        """Sessions that its last beat does not show yet."""
        return self._in_flight + self._placed

    @property
    def room(self) -> int:
        """Sessions that it would admit, as far as is known."""
        return 0 if self._is_full else max(0, self.beat.room - self.given)

    @property
    def load(self) -> float:
        """Its load with what it has been given since its last beat."""
        room = self.beat.room
        return 1.0 if not room else self.beat.load + self.given * (1.0 - self.beat.load) / room

    def takes_sessions(self, now_ms: float) -> bool:
        """Whether a newcomer may be offered to it, with room or not."""
        alive = self.liveness(now_ms) in ("fresh", "vouched")
        return alive and self.beat.ready and not self.beat.draining

    def begin_offer(self) -> None:
        self._in_flight += 1

    def end_offer(self, *, accepted: bool, full: bool = False) -> None:
        """`accepted`: it counts until the next beat; `full`: no more are offered until then."""
        self._in_flight = max(0, self._in_flight - 1)
        self._placed += accepted
        self._is_full = self._is_full or full

    def _is_silent(self, now_ms: float) -> bool:
        return now_ms - self._heard_ms >= SILENT_MS
