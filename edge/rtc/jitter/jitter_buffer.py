"""The jitter buffer: packets in, whole frames out the moment their last packet is there.

A frame ends at its marker bit (RFC 3550, section 5.1), not at its successor. A gap is asked for
again (NACK, RFC 4585) on a timer for as long as the answer can still come before the frame's
deadline; then it is given up, and nothing is served until a key frame, unless no other frame
refers to the lost one. Pure: the time is an argument, decisions are return values.
"""

from __future__ import annotations

from edge.rtc.jitter.depacketizer import Payload
from edge.rtc.jitter.frames import Assembly, EncodedFrame
from edge.rtc.jitter.loss_recovery import (
    KEY_RUN,
    NEVER,
    KeyframeRequests,
    Probes,
    broken_off,
    forgo,
)
from edge.rtc.jitter.nack import NackRequester
from edge.rtc.jitter.outcome import JitterBufferOutput, ReceptionCounts
from edge.rtc.unwrapper import signed_difference

MAX_PACKETS = 4096  # held at most (a 4K key frame is 1,700), then everything held is given up
MAX_BYTES = 8 << 20  # the same in bytes
MAX_FRAMES = 64  # not whole yet; with one more, the oldest is given up
MAX_GAP = 1000  # a jump by more is another stream, not a loss
_MAX_DEAD = 64  # frames done with whose stragglers are recognised; the oldest is forgotten first
_KEY_GRACE_MS = 150.0


class JitterBuffer:
    """Frames from the packets of one stream.

    `patience_ms` is how long after a frame's first sign its missing packets are still of use.
    """

    def __init__(self, patience_ms: float = 60.0, rtt_ms: float = 20.0) -> None:
        self.counts = ReceptionCounts()
        # Every number from `_next` to `_highest` is in `_owner` or in `gaps`.
        self.gaps = NackRequester(patience_ms, rtt_ms, self.counts)
        self._owner: dict[int, Assembly | None] = {}  # by unwrapped number; None is padding
        self._frames: dict[int, Assembly] = {}  # alive, by rtp
        self._dead: dict[int, Assembly] = {}  # served or given up, by rtp
        self._bytes = 0
        self._next: int | None = None  # all before it is done with
        self._boundary: int | None = None  # a number that certainly begins a frame
        self._highest = 0
        self._stranger: int | None = None
        self._waiting = True  # for a key frame
        self._keyframes = KeyframeRequests()
        self._probes = Probes()
        self._arrival_ms = -NEVER

    @property
    def waiting(self) -> bool:
        """Whether nothing can be served before a key frame."""
        return self._waiting

    @property
    def held(self) -> tuple[int, int]:
        """Packets and bytes in the buffer."""
        return len(self._owner), self._bytes

    def add(
        self,
        sequence: int,
        rtp: int,
        marker: bool,
        media: Payload | None,
        now_ms: float,
        *,
        damaged: bool = False,
    ) -> JitterBufferOutput:
        """Take a packet in; `media` is None for padding and, with `damaged`, for nonsense."""
        outcome = JitterBufferOutput()
        self.counts.packets += 1
        self._arrival_ms = now_ms
        number = self._place(sequence, now_ms, outcome)
        if number is None:
            return outcome
        frame: Assembly | None = None
        if media is not None or damaged:
            frame = self._frames.get(rtp) or self._dead.get(rtp)
            if frame is None:
                frame = self._frames[rtp] = Assembly(rtp, now_ms, now_ms)
                self._probes.began(now_ms)
        self._owner[number] = frame
        if frame is not None:
            self._join(frame, number, marker, media, now_ms)
            if self._waiting and frame.delta:
                self._kill_hopeless(outcome)
        self._touch(number, frame)
        self._advance(now_ms, outcome)
        while len(self._frames) > MAX_FRAMES:
            self._skip(outcome)
            self._advance(now_ms, outcome)
        if len(self._owner) > MAX_PACKETS or self._bytes > MAX_BYTES:
            self._reset(self._highest + 1, outcome)
        self._ask(now_ms, outcome)
        return outcome

    def poll(self, now_ms: float) -> JitterBufferOutput:
        """What is due by the clock alone; call it at `wake_ms`."""
        outcome = JitterBufferOutput()
        while (give_up_ms := self._give_up_ms()) is not None and now_ms >= give_up_ms:
            self._skip(outcome)
            self._advance(now_ms, outcome)
        self._ask(now_ms, outcome)
        return outcome

    def wake_ms(self) -> float | None:
        """When `poll` has something to do, None while only a packet can bring that."""
        wake_ms = self.gaps.wake_ms()
        give_up_ms = self._give_up_ms()
        if give_up_ms is not None:
            wake_ms = min(wake_ms, give_up_ms)
        tail = broken_off(self._owner, self._highest)
        wake_ms = min(wake_ms, self._probes.wake_ms(tail, self._arrival_ms, self.gaps))
        frames = self._frames.values()
        wake_ms = min(wake_ms, self._keyframes.wake_ms(frames, self.gaps, self._arrival_ms))
        return wake_ms if wake_ms < NEVER else None

    def require_keyframe(self, now_ms: float) -> JitterBufferOutput:
        """The decoder lost its references: ask for a key frame and serve nothing until it comes."""
        outcome = JitterBufferOutput()
        self._wait(outcome)
        self._advance(now_ms, outcome)
        self._ask(now_ms, outcome)
        return outcome

    # -- where a packet belongs ----------------------------------------------------------------

    def _place(self, sequence: int, now_ms: float, outcome: JitterBufferOutput) -> int | None:
        """The unwrapped sequence number, None for a packet that is of no use."""
        if self._next is None:
            self._next = self._highest = sequence + 0x10000
            return self._next
        ahead = signed_difference(sequence, self._highest, 16)
        number = self._highest + ahead
        if not -MAX_GAP < ahead < MAX_GAP:
            # Two in a row far away: the sender began anew (RFC 3550, appendix A.1).
            if self._stranger != sequence:
                self._stranger = (sequence + 1) & 0xFFFF
                self.counts.late += 1
                return None
            self._highest = sequence + 0x10000
            self._reset(self._highest, outcome)
            return self._highest
        self._stranger = None
        if ahead > 0:
            self._probes.arrived()
            self.gaps.open(self._highest + 1, number, now_ms)
            self._highest = number
            if len(self.gaps) > MAX_GAP:
                self._reset(number, outcome)
            return number
        if self.gaps.fill(number, now_ms):
            return number
        if number < self._next:
            self.counts.late += 1
        else:
            self.counts.duplicates += 1
        return None

    def _join(
        self, frame: Assembly, number: int, marker: bool, media: Payload | None, now_ms: float
    ) -> None:
        if marker and frame.last is None:
            frame.last = number
        if media is not None and media.first and frame.first is None:
            frame.first = number
        frame.highest = max(frame.highest, number)
        frame.lowest = min(frame.lowest, number)
        if frame.dead:
            return
        frame.last_ms = now_ms
        if media is None:
            frame.damaged = True
            return
        frame.droppable = media.droppable and (frame.droppable or not frame.packets)
        frame.packets[number] = media
        frame.keyframe = frame.keyframe or media.keyframe
        frame.delta = frame.delta or media.delta
        frame.bytes += len(media.data)
        self._bytes += len(media.data)

    def _touch(self, number: int, frame: Assembly | None) -> None:
        """Where two frames touch, one ends and the other begins, marker or not."""
        if frame is None:
            return
        before, after = self._owner.get(number - 1), self._owner.get(number + 1)
        if before is not None and before is not frame:
            before.last = number - 1 if before.last is None else before.last
            frame.first = number if frame.first is None else frame.first
        if after is not None and after is not frame:
            frame.last = number if frame.last is None else frame.last
            after.first = number + 1 if after.first is None else after.first

    # -- serving and giving up -------------------------------------------------------------------

    def _advance(self, now_ms: float, outcome: JitterBufferOutput) -> None:
        while self._next is not None:
            if self._next in self._owner:
                frame = self._owner[self._next]
                if frame is None or frame.dead:
                    if frame is not None and not (self._waiting or frame.droppable):
                        self._wait(outcome)  # what follows refers to it
                    self._pass(frame)
                    continue
                if self._boundary == self._next:
                    frame.first = self._next
                if frame.first != self._next or frame.damaged or not self._startable(frame):
                    self._kill(frame, outcome)
                    self._wait(outcome)
                    continue
                if self._whole(frame):
                    self._serve(frame, now_ms, outcome)
                    continue
            key = next((f for f in self._frames.values() if f.keyframe and self._whole(f)), None)
            if key is None or key.first is None:
                return
            # A whole key frame needs nothing of what is missing before it.
            self._consume(key.first, outcome)
            self._boundary = key.first

    def _pass(self, frame: Assembly | None) -> None:
        assert self._next is not None
        del self._owner[self._next]
        if (frame is None and self._boundary == self._next) or (
            frame is not None and frame.last == self._next
        ):
            self._boundary = self._next + 1
        self._next += 1

    @staticmethod
    def _startable(frame: Assembly) -> bool:
        first = frame.packets.get(frame.first if frame.first is not None else -1)
        return first is not None and first.starts

    def _whole(self, frame: Assembly) -> bool:
        first, last = frame.first, frame.last
        if first is None or last is None or last < first or frame.damaged:
            return False
        return not self.gaps.within(first, last)

    def _serve(self, frame: Assembly, now_ms: float, outcome: JitterBufferOutput) -> None:
        assert frame.first is not None
        assert frame.last is not None
        if self._waiting and not frame.keyframe:
            self._kill(frame, outcome)
            self._wait(outcome)
            return
        numbers = sorted(frame.packets)
        first = frame.packets[frame.first]
        served = EncodedFrame(
            rtp=frame.rtp,
            data=b"".join([frame.packets[number].data for number in numbers]),
            keyframe=frame.keyframe,
            packets=len(numbers),
            bytes=frame.bytes,
            first_packet_ms=frame.first_ms,
            received_ms=now_ms,
            width=first.width,
            height=first.height,
        )
        self._probes.served(len(numbers))
        self._bury(frame)
        self._consume(frame.last + 1, outcome)
        self._boundary = self._next
        self._waiting = self._keyframes.needed = False
        self.counts.frames += 1
        outcome.frames.append(served)

    def _bury(self, frame: Assembly) -> None:
        frame.dead = True
        self._bytes -= frame.bytes
        frame.packets = {}
        self._frames.pop(frame.rtp, None)
        self._dead[frame.rtp] = frame
        if len(self._dead) > _MAX_DEAD:
            del self._dead[next(iter(self._dead))]

    def _kill(self, frame: Assembly, outcome: JitterBufferOutput) -> None:
        self._bury(frame)
        self.counts.frames_lost += 1
        outcome.lost.append(frame.rtp)
        self._keyframes.needed = self._keyframes.needed or self._waiting

    def _wait(self, outcome: JitterBufferOutput) -> None:
        """Serve nothing until a key frame."""
        self._waiting = self._keyframes.needed = True
        self._kill_hopeless(outcome)

    def _kill_hopeless(self, outcome: JitterBufferOutput) -> None:
        """While a key frame is awaited: what is none, and follows none that may be coming in."""
        keys = (f.lowest for f in self._frames.values() if f.keyframe and not f.damaged)
        key = min(*keys, self.gaps.run(KEY_RUN), NEVER)
        for frame in list(self._frames.values()):
            if (frame.delta or frame.damaged) and frame.highest < key:
                self._kill(frame, outcome)

    def _consume(self, until: int, outcome: JitterBufferOutput) -> None:
        """Be done with all numbers before `until`; a live frame among them is lost."""
        assert self._next is not None
        for number in range(self._next, until):
            self.gaps.forget(number)
            frame = self._owner.pop(number, None)
            if frame is not None and not frame.dead:
                self._kill(frame, outcome)
        self._next = max(self._next, until)

    def _skip(self, outcome: JitterBufferOutput) -> None:
        """Give up what blocks the head."""
        assert self._next is not None
        frame = self._owner.get(self._next)
        if frame is None:
            present = self._next + 1
            while present <= self._highest and present not in self._owner:
                present += 1
            self._consume(present, outcome)
            self._wait(outcome)
            return
        known = frame.last is not None
        until = (frame.last if frame.last is not None else frame.highest) + 1
        spared = known and frame.droppable and not self._waiting
        self._consume(until, outcome)
        if known:
            self._boundary = until
        if not spared:
            self._wait(outcome)

    def _reset(self, restart: int, outcome: JitterBufferOutput) -> None:
        """Give up all that is held."""
        for frame in list(self._frames.values()):
            self._kill(frame, outcome)
        self._owner.clear()
        self.gaps.clear()
        self._next = restart
        self._boundary = self._stranger = None
        self.counts.resets += 1
        self._wait(outcome)

    # -- what to ask for, and when ---------------------------------------------------------------

    def _give_up_ms(self) -> float | None:
        """When what blocks the head is given up, None where nothing is known to be missing."""
        if self._next is None:
            return None
        self._set_grace()
        frame = self._owner.get(self._next)
        return self.gaps.give_up_ms(frame.first_ms if frame is not None else NEVER)

    def _set_grace(self) -> None:
        """A key frame is worth a longer wait: the next would take longer still."""
        worthy = self._waiting or any(frame.keyframe for frame in self._frames.values())
        self.gaps.grace_ms = _KEY_GRACE_MS if worthy else 0.0

    def _ask(self, now_ms: float, outcome: JitterBufferOutput) -> None:
        if self.gaps:
            self._set_grace()
            due = self.gaps.due(now_ms, self._forgo if self._waiting else None)
            outcome.nack = [number & 0xFFFF for number in due]
        tail = broken_off(self._owner, self._highest)
        probed = self._probes.due(tail, self._arrival_ms, self.gaps, self._highest, now_ms)
        outcome.nack += [number & 0xFFFF for number in probed]
        if self._keyframes.due(self._frames.values(), self.gaps, self._arrival_ms, now_ms):
            self.counts.keyframe_requests += 1
            outcome.keyframe = True

    def _forgo(self, number: int) -> bool:
        return forgo(number, self.gaps, self._owner)
