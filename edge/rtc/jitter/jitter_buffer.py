"""The jitter buffer: packets in, complete frames out the moment their last packet arrives.

A frame ends at its marker bit where that can be trusted (`edge.rtc.jitter.frame_end`), not at its
successor. A missing packet is requested again (NACK, RFC 4585), even if its own frame will be late,
until its answer would arrive later than a key frame (`edge.rtc.jitter.nack`); only then is its
frame given up, and nothing is served until a key frame or a recovery point, unless no other frame
refers to the lost one. Pure: the time is an argument, decisions are return values.
"""

from __future__ import annotations

from functools import partial

from edge.rtc.jitter import loss_recovery
from edge.rtc.jitter.access_units import AccessUnits
from edge.rtc.jitter.assemblies import Assemblies
from edge.rtc.jitter.decoded_pictures import DecodedPictures
from edge.rtc.jitter.frames import Assembly, JitterBufferOutput
from edge.rtc.jitter.loss_recovery import NEVER, KeyframeRequester, TailLossProbe
from edge.rtc.jitter.nack import NackRequester
from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.jitter.sequence_restart import MAX_JUMP, HeldPacket, SequenceRestart
from edge.rtc.reception_stats import ReceptionCounts
from edge.rtc.unwrapper import signed_difference


class JitterBuffer:
    """Frames from the packets of one stream.

    `max_wait_ms`: the reception limit, from a frame's first packet.
    """

    def __init__(self, max_wait_ms: float = 60.0, rtt_ms: float = 20.0) -> None:
        self.counts = ReceptionCounts()
        # Every number from `_next` to `_highest` is in `_owners` or missing in `nacks`.
        self.nacks = NackRequester(max_wait_ms, rtt_ms, self.counts)
        self._assemblies = Assemblies()
        self._owners = self._assemblies.owners
        self._frames = self._assemblies.frames
        self._next: int | None = None  # the first number that is not finished with
        self._boundary: int | None = None  # a number that certainly begins a frame
        self._passed: Assembly | None = None  # the frame of the packet before `_next`
        self._highest = 0
        self._restart = SequenceRestart()
        self._newest: Assembly | None = None  # the frame of the highest number
        self._decoded = DecodedPictures()
        self._needs_keyframe = True
        self._keyframes = KeyframeRequester()
        self._tail_probe = TailLossProbe()
        self._arrival_ms = -NEVER

    @property
    def trusts_marker(self) -> bool:
        """Whether the sender's marker bit is on the last packet of each frame and on no other."""
        return self._assemblies.ends.trusts_marker

    @property
    def units(self) -> AccessUnits:
        """Whose parameter sets are H264's, of this stream; those from the SDP are to be added."""
        return self._assemblies.units

    @property
    def size(self) -> tuple[int, int]:
        """Packets and bytes in the buffer."""
        return self._assemblies.size

    def add(
        self,
        sequence: int,
        rtp: int,
        marker: bool,
        media: Payload | None,
        now_ms: float,
        *,
        damaged: bool = False,
        retransmitted: bool = False,
    ) -> JitterBufferOutput:
        """Take a packet; `media` is None for padding and, with `damaged`, for a malformed one.

        `retransmitted`, in a stream of its own: nothing begins anew with it.
        """
        output = JitterBufferOutput()
        self.counts.packets += 1
        self._arrival_ms = now_ms
        packet = HeldPacket(sequence, rtp, marker, media, damaged, now_ms)
        number, continues = self._unwrap(sequence, now_ms, output)
        if continues and number is not None:
            self._restart.continued(rtp, now_ms)
            self._insert(number, packet, output)
        elif continues or retransmitted:
            self.counts.late += not continues
            self._miss([packet], output)
        else:
            self.counts.late += 1
            far = abs(signed_difference(sequence, self._highest, 16)) >= MAX_JUMP
            if held := self._restart.hold(packet, far=far):
                self._miss(self._restart.take_strays(), output)
                output.started_over = held[0].sequence
                self._highest = held[0].sequence + 0x10000
                self._reset(self._highest, output)
            for each in held:
                self._insert(self._unwrap(each.sequence, each.arrival_ms, output)[0], each, output)
        self._miss(self._restart.take_strays(), output)
        self._request(now_ms, output)
        return output

    def _insert(self, number: int | None, packet: HeldPacket, output: JitterBufferOutput) -> None:
        assert number is not None
        try:
            self._place(number, packet, output)
            self._advance(packet.arrival_ms, output)
        finally:  # whatever happens
            if self._assemblies.is_overfull:
                self._reset(self._highest + 1, output)
            while self._assemblies.has_too_many_frames:
                self._give_up_next(output)
                self._advance(packet.arrival_ms, output)

    def _place(self, number: int, packet: HeldPacket, output: JitterBufferOutput) -> None:
        media, now_ms = packet.media, packet.arrival_ms
        if media is None and not packet.damaged:
            self._owners[number] = None
        else:
            if displaced := self._assemblies.displaced(number, packet.rtp, media, self._newest):
                self._give_up(displaced, output)
                self._assemblies.forget(packet.rtp)
            frame = self._assemblies.take(number, packet.rtp, packet.marker, media, now_ms)
            self._keyframes.observe(frame, media)
            if frame is not None and frame.lowest == frame.highest:
                self._tail_probe.frame_began(now_ms)
            if frame is not None and number == self._highest:
                self._newest = frame
            if self._needs_keyframe and frame is not None and frame.delta:
                self._give_up_unusable(output)

    def poll(self, now_ms: float) -> JitterBufferOutput:
        """Frames given up and requests that are due without a packet; to be called at `wake_ms`."""
        output = JitterBufferOutput()
        while (give_up_ms := self._give_up_ms()) is not None and now_ms >= give_up_ms:
            self._give_up_next(output)
            self._advance(now_ms, output)
        tail = loss_recovery.incomplete_tail(self._owners, self._highest)
        if tail is not None and now_ms >= self._silence_end_ms(tail):
            self._end_by_silence(tail, output)
            self._advance(now_ms, output)
        self._request(now_ms, output)
        return output

    def wake_ms(self) -> float | None:
        """The time at which `poll` is due; None while only a packet can change anything."""
        wake_ms = self.nacks.wake_ms()
        give_up_ms = self._give_up_ms()
        if give_up_ms is not None:
            wake_ms = min(wake_ms, give_up_ms)
        if (tail := loss_recovery.incomplete_tail(self._owners, self._highest)) is not None:
            wake_ms = min(wake_ms, self._silence_end_ms(tail))
        probed = self._probed(tail)
        wake_ms = min(wake_ms, self._tail_probe.wake_ms(probed, self._arrival_ms, self.nacks))
        frames = self._frames.values()
        wake_ms = min(wake_ms, self._keyframes.wake_ms(frames, self.nacks, self._arrival_ms))
        return wake_ms if wake_ms < NEVER else None

    def require_keyframe(self, now_ms: float) -> JitterBufferOutput:
        """The decoder lost its references: request a key frame, serve nothing until it comes."""
        output = JitterBufferOutput()
        self._stop_serving(output)
        self._advance(now_ms, output)
        self._request(now_ms, output)
        return output

    def restart(self, now_ms: float) -> JitterBufferOutput:
        """Another source, with numbers and timestamps of its own: give up all of the last one's."""
        output = JitterBufferOutput()
        if self._next is not None:
            self._reset(None, output)
            self._assemblies.restart()
            self._tail_probe = TailLossProbe()
        self._request(now_ms, output)
        return output

    # -- where a packet belongs ----------------------------------------------------------------

    def _unwrap(
        self, sequence: int, now_ms: float, output: JitterBufferOutput
    ) -> tuple[int | None, bool]:
        """The unwrapped number, None for one that is of no use; whether it continues the stream."""
        if self._next is None:
            self._next = self._highest = sequence + 0x10000
            return self._next, True
        ahead = signed_difference(sequence, self._highest, 16)
        number = self._highest + ahead
        if not -MAX_JUMP < ahead < MAX_JUMP:
            return None, False
        if ahead > 0:
            self._tail_probe.packet_arrived()
            self.nacks.add(self._highest + 1, number, now_ms)
            self._highest = number
            if len(self.nacks) > MAX_JUMP:
                self._reset(number, output)
            return number, True
        if number == self._next == self._highest and number not in self._owners:
            return number, True  # the first after a restart
        if self.nacks.arrived(number, now_ms):
            return number, True
        self.counts.duplicates += number >= self._next
        return None, number >= self._next

    # -- serving and giving up -------------------------------------------------------------------

    def _advance(self, now_ms: float, output: JitterBufferOutput) -> None:
        """Serve and give up frames from the head on, as far as they are complete."""
        while self._next is not None:
            if self._next in self._owners:
                frame = self._owners[self._next]
                if frame is None or frame.finished:
                    if frame is not None and not (
                        self._needs_keyframe or self._decoded.survives(frame)
                    ):
                        self._stop_serving(output)  # the next frames refer to it
                    self._skip_packet(frame)
                    continue
                if self._assemblies.is_unneeded(frame, self._next):
                    continue
                if self._assemblies.leads(frame, self._next, self.nacks):
                    continue
                begins = self._boundary == self._next
                if begins := begins or self._assemblies.begins(frame, self._next, self._passed):
                    frame.first = self._next
                whole = loss_recovery.is_complete(frame, self._next, self.nacks)
                if begins and whole and not frame.begins and not self._needs_keyframe:
                    self._assemblies.rejoin(frame)
                if frame.first == self._next and frame.has_start and not frame.damaged:
                    if whole:
                        self._serve(frame, now_ms, output)
                        continue
                elif frame.is_useless(self._next, self._needs_keyframe):
                    self._give_up(frame, output)
                    if self._needs_keyframe or not self._decoded.survives(frame):
                        self._stop_serving(output)
                    continue
            first = loss_recovery.entry_ahead(
                self._frames.values(), self._next, self.nacks, recovery=self._needs_keyframe
            )
            if first is None:
                return
            # A complete key frame needs nothing of what is missing before it.
            self._finish_until(first, output)
            self._boundary = first

    def _skip_packet(self, frame: Assembly | None) -> None:
        assert self._next is not None
        del self._owners[self._next]
        if (frame is None and self._boundary == self._next) or (
            frame is not None and frame.last == self._next
        ):
            self._boundary = self._next + 1
        self._passed = frame or self._passed
        self._next += 1

    def _serve(self, frame: Assembly, now_ms: float, output: JitterBufferOutput) -> None:
        assert frame.first is not None
        assert frame.last is not None
        if self._needs_keyframe and not frame.is_entry:
            self._give_up(frame, output)
            return self._stop_serving(output)
        if not (frame.is_entry or self._decoded.are_of(frame)):
            return self._give_up(frame, output)
        if not frame.is_entry and self._decoded.lacks(frame.reference):
            self._give_up(frame, output)
            if self._decoded.needs_key_frame(frame.reference):
                self._stop_serving(output)
            return None
        entering = self._needs_keyframe or not self._decoded.are_of(frame)
        served = self._assemblies.units.assemble(frame, now_ms, entering=entering)
        if served is None:
            return self._give_up(frame, output)
        self._tail_probe.frame_completed(len(frame.packets))
        self._assemblies.finish(frame, served=True)
        self._finish_until(frame.last + 1, output)
        self._boundary = self._next
        self._decoded.served(frame, entry=entering or frame.keyframe)
        self._needs_keyframe = False
        self._keyframes.served(frame)
        self.counts.frames += not frame.repeated
        output.decodable.append(served)
        return None

    def _give_up(self, frame: Assembly, output: JitterBufferOutput) -> None:
        if frame.finished:  # one of two timestamps is listed twice
            return
        self._assemblies.finish(frame, served=False)
        if not frame.repeated:
            self.counts.frames_lost += 1
            output.lost.append(frame.rtp)
        # One of another codec is no loss to what is served, unless the sender goes on with it.
        self._keyframes.needed |= self._needs_keyframe or not self._decoded.are_of(frame)

    def _miss(self, late: list[HeldPacket], output: JitterBufferOutput) -> None:
        """Packets came too late: a frame of which no other came is lost."""
        missed = self._assemblies.missed(late, self._highest)
        self.counts.frames_lost += len(missed)
        output.lost += missed

    def _stop_serving(self, output: JitterBufferOutput) -> None:
        """Serve nothing until a key frame."""
        self._needs_keyframe = self._keyframes.needed = True
        self._give_up_unusable(output)

    def _give_up_unusable(self, output: JitterBufferOutput) -> None:
        """While a key frame is awaited, give up delta frames before any that may be arriving."""
        for frame in loss_recovery.unusable(self._frames.values(), self.nacks):
            self._give_up(frame, output)

    def _finish_until(self, until: int, output: JitterBufferOutput) -> None:
        """Finish with all numbers before `until`; an incomplete frame among them is lost."""
        assert self._next is not None
        for number in range(self._next, until):
            self.nacks.forget(number)
            if (frame := self._owners.pop(number, None)) is not None:
                self._give_up(frame, output)
        self._next = max(self._next, until)
        self._passed = None

    def _give_up_next(self, output: JitterBufferOutput) -> None:
        """Give up the frame or the missing packets at the head, which moves on by it."""
        assert self._next is not None
        if self._next > self._highest:  # no packet is left to give up, so no frame may be
            return self._reset(self._next, output)
        if (frame := self._owners.get(self._next)) is None:
            present = loss_recovery.next_present(self._owners, self._next, self._highest)
            following = self._owners.get(present)
            survives = self._decoded.survives_gap(present - self._next, following)
            self._finish_until(present, output)
            return None if survives and not self._needs_keyframe else self._stop_serving(output)
        has_end = frame.last is not None  # perhaps behind the head, around another's packets
        until = max(self._next, frame.last if frame.last is not None else frame.highest) + 1
        tells = has_end or frame.reference is not None  # its successor then tells where it begins
        survives = tells and not self._needs_keyframe and self._decoded.survives(frame)
        self._finish_until(until, output)
        if has_end:
            self._boundary = until
        if not survives:
            self._stop_serving(output)

    def _reset(self, restart: int | None, output: JitterBufferOutput) -> None:
        """Give up everything in the buffer; `restart`: the next number, None for whatever comes."""
        for frame in list(self._frames.values()):
            self._give_up(frame, output)
        self._restart.clear()
        self._miss(self._restart.take_strays(), output)
        self._assemblies.clear()
        self.nacks.clear()
        self._next = restart
        self._boundary = self._newest = self._passed = None
        self.counts.resets += 1
        self._stop_serving(output)

    # -- the end of the stream, so far ----------------------------------------------------------

    def _probed(self, tail: Assembly | None) -> Assembly | None:
        """The tail, if more of it is certain to come."""
        return tail if self.trusts_marker or tail is None or not tail.is_closed else None

    def _silence_end_ms(self, tail: Assembly) -> float:
        """The time at which no more of the tail is expected."""
        return tail.last_ms + self._assemblies.ends.silence_ms(self._tail_probe.interval_ms)

    def _end_by_silence(self, tail: Assembly, output: JitterBufferOutput) -> None:
        tail.last, tail.hinted = tail.highest, True
        is_whole = loss_recovery.is_complete(tail, self._next or 0, self.nacks)
        if tail.has_picture and (self.trusts_marker or not is_whole):
            self._finish_until(tail.highest + 1, output)
            self._stop_serving(output)

    # -- requests --------------------------------------------------------------------------------

    def _give_up_ms(self) -> float | None:
        """The time at which the head is given up; None where no packet is known to be missing."""
        if self._next is None:
            return None
        self._set_extra_wait()
        frame = self._owners.get(self._next)
        return self.nacks.give_up_ms(frame.first_ms if frame is not None else NEVER)

    def _set_extra_wait(self) -> None:
        loss_recovery.set_extra_wait(self.nacks, self._frames.values(), self._needs_keyframe)

    def _request(self, now_ms: float, output: JitterBufferOutput) -> None:
        if self.nacks:
            self._set_extra_wait()
            inside = partial(loss_recovery.give_up_inside, nacks=self.nacks, owners=self._owners)
            due = self.nacks.due(now_ms, inside if self._needs_keyframe else None)
            output.nack = [number & 0xFFFF for number in due]
        tail = self._probed(loss_recovery.incomplete_tail(self._owners, self._highest))
        probed = self._tail_probe.due(tail, self._arrival_ms, self.nacks, self._highest, now_ms)
        output.nack += [number & 0xFFFF for number in probed]
        if self._keyframes.due(self._frames.values(), self.nacks, self._arrival_ms, now_ms):
            self.counts.keyframe_requests += 1
            output.keyframe = True
