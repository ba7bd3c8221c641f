"""Which frame a packet belongs to, and where frames begin and end. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from edge.rtc.jitter.access_units import AccessUnits
from edge.rtc.jitter.frame_end import FrameEnd
from edge.rtc.jitter.frames import Assembly
from edge.rtc.jitter.nack import NackRequester
from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.jitter.sequence_restart import MAX_JUMP, HeldPacket
from edge.rtc.unwrapper import signed_difference

MAX_PACKETS = 4096  # in the buffer (a 4K key frame is 1,700); beyond, everything is given up
MAX_BYTES = 8 << 20  # the same in bytes
MAX_FRAMES = 64  # incomplete ones; with one more, the oldest is given up
_MAX_FINISHED = 64  # frames whose stragglers are recognised; the oldest is forgotten first
_MAX_ALIASES = 16  # timestamps of one picture, besides its first; with one more, it is another's
_MAX_SPREAD = 2700  # ticks between the first and the last timestamp of one picture
_MAX_MARKS = 64  # of a frame, remembered; the oldest is forgotten first
_MAX_PADDING = 64  # packets of padding between two frames that are looked across


class Assemblies:
    """The frames of one stream by packet and by timestamp; numbers are unwrapped.

    One picture is one frame, counted once, under the timestamp of its first slice that came. Where
    a sender gives a picture more timestamps, packets that follow one another show it; from then on,
    timestamps about as close are of one picture also where packets between them are missing.
    """

    def __init__(self) -> None:
        self.owners: dict[int, Assembly | None] = {}  # by number; None is of no frame
        self.frames: dict[int, Assembly] = {}  # incomplete, by RTP timestamp
        self.bytes = 0
        self.ends = FrameEnd()
        self.units = AccessUnits()
        self._given_up: Assembly | None = None  # the last one
        self.finished: dict[int, Assembly] = {}  # served or given up, by RTP timestamp
        self._forgotten: int | None = None  # the latest timestamp that was in there
        self._served: Assembly | None = None  # the last one
        self._spread = 0  # ticks between timestamps of one picture, as seen
        self._leads = False  # parameter sets have had timestamps of their own

    @property
    def size(self) -> tuple[int, int]:
        """Packets and bytes that are kept."""
        return len(self.owners), self.bytes

    @property
    def is_overfull(self) -> bool:
        """Whether there are more packets or bytes than any frames need."""
        return len(self.owners) > MAX_PACKETS or self.bytes > MAX_BYTES

    @property
    def has_too_many_frames(self) -> bool:
        """Whether more frames are incomplete than may be."""
        return len(self.frames) > MAX_FRAMES

    def take(
        self, number: int, rtp: int, marker: bool, media: Payload | None, now_ms: float
    ) -> Assembly | None:
        """Add a packet to its frame; `media` is None for a malformed one.

        Returns None where the packet belongs to the next frame, or to none.
        """
        frame = self.frames.get(rtp)
        if frame is None:
            done = self.finished.get(rtp)
            frame = done or self._continued(number, rtp, media)
            frame = frame or self._begin(number, rtp, media, now_ms)
            if done is not None and media is not None and not done.is_of(media):
                # Its outcome is known; what comes may be decoded for those that refer to it.
                frame = self.frames[rtp] = Assembly(rtp, now_ms, now_ms, repeated=True)
            elif done is not None and media is not None and (done.served or not media.picture):
                frame = self._after(done, number, media, now_ms)
        self.owners[number] = frame
        if frame is not None:
            self._add(frame, number, marker, media, now_ms)
        return frame

    def displaced(
        self, number: int, rtp: int, media: Payload | None, newest: Assembly | None
    ) -> Assembly | None:
        """The frame with this timestamp if the packet is of another with the same."""
        frame = self.frames.get(rtp) or self.finished.get(rtp)
        if frame is None or newest is None or not frame.is_followed(newest, number, media):
            return None
        return frame

    def missed(self, late: Iterable[HeldPacket], highest: int) -> list[int]:
        """The timestamps of frames of which nothing came but these packets, too late.

        Each is told once, and is given up. `highest`: the highest number that came. A frame that
        may have ended long ago, beyond what is remembered, is not told.
        """
        found = []
        for packet in late:
            rtp, media, at_ms = packet.rtp, packet.media, packet.arrival_ms
            ahead = signed_difference(packet.sequence, highest, 16)
            has_picture = packet.damaged or (media is not None and media.picture)
            is_known = rtp in self.frames or rtp in self.finished or not self._is_newer(rtp)
            is_known = is_known or self._relative(rtp) is not None
            if has_picture and not is_known and abs(ahead) < MAX_JUMP:
                frame = Assembly(rtp, at_ms, at_ms, highest=highest + ahead, finished=True)
                self._remember(rtp, frame)
                found.append(rtp)
        return found

    def _is_newer(self, rtp: int) -> bool:
        return self._forgotten is None or signed_difference(rtp, self._forgotten, 32) > 0

    def forget(self, rtp: int) -> None:
        """A frame that is finished with: its timestamp may be another's."""
        self.finished.pop(rtp, None)

    def _begin(self, number: int, rtp: int, media: Payload | None, now_ms: float) -> Assembly:
        """A new frame for a timestamp, or the one before it if its picture goes on."""
        at = self._neighbour(number, -1)
        before = self.owners.get(at)
        if before is None and self._given_up is not None and self._given_up.highest == at:
            before = self._given_up
        if before is not None and not before.is_of(media):
            before = None
        resumes = media is not None and media.resumes
        may_go_on = (
            before is not None
            and (before.may_go_on or (self.ends.splits and before.has_picture))
            and len(before.aliases) < _MAX_ALIASES
        )
        if before is not None and resumes and may_go_on and not before.served:
            self._observe_spread(before, rtp)
            return self._join(before, rtp)
        if before is not None and before.finished:
            before = None
        frame = self.frames[rtp] = Assembly(rtp, now_ms, now_ms)
        frame.recovery = self.units.recovery_before(number, media)
        if before is not None and not before.has_picture and frame.recovery is None:
            frame.recovery = before.recovery
        frame.is_entry = frame.recovery is not None
        return frame

    def _continued(self, number: int, rtp: int, media: Payload | None) -> Assembly | None:
        """The frame not served whose picture, begun or to begin elsewhere, has this packet too."""
        frame = self._relative(rtp)
        if frame is None or frame.served or not (media is None or media.picture):
            return None
        if not frame.is_of(media):
            return None
        begins = media is not None and not media.resumes
        if begins and (frame.begins or number > frame.lowest or frame.finished):
            return None
        return self._join(frame, rtp) if len(frame.aliases) < _MAX_ALIASES else None

    def _relative(self, rtp: int) -> Assembly | None:
        """The frame with data of a picture whose timestamp is so close that it is of the same."""
        if not self._spread:
            return None
        known = (*self.frames.values(), *self.finished.values())
        least, width = rtp - self._spread, 2 * self._spread
        near = (each for each in known if (each.rtp - least) & 0xFFFFFFFF <= width)
        return next((each for each in near if each.has_picture or each.finished), None)

    def _join(self, frame: Assembly, rtp: int) -> Assembly:
        """A further timestamp of a frame."""
        if signed_difference(rtp, frame.rtp, 32) < 0 and not frame.finished:
            frame.rtp, rtp = rtp, frame.rtp
        frame.aliases.append(rtp)
        for each in (frame.rtp, rtp):
            if frame.finished:
                self._remember(each, frame)
            else:
                self.frames[each] = frame
        return frame

    def _observe_spread(self, frame: Assembly, rtp: int) -> None:
        """A frame's picture went on under another timestamp, in the packet after its last."""
        distance = _distance(frame.rtp, rtp)
        if distance <= _MAX_SPREAD:
            self._spread = max(self._spread, min(2 * distance, _MAX_SPREAD))  # a larger may come

    def _after(self, done: Assembly, number: int, media: Payload, now_ms: float) -> Assembly | None:
        """The frame of a packet with the timestamp of one that is finished with."""
        if not media.picture:
            self.units.lead(number, media)
            return None
        self.ends.disprove()  # it was served too early
        key, data = self.units.last_key or (None, b"")
        if key is not done:
            return done
        # A key frame can be decoded once more, then as a whole.
        again = Assembly(done.rtp, now_ms, now_ms, repeated=True, head=data)
        again.keyframe = again.is_entry = True
        self.frames[done.rtp] = again
        return again

    def _add(
        self, frame: Assembly, number: int, marker: bool, media: Payload | None, now_ms: float
    ) -> None:
        frame.highest = max(frame.highest, number)
        frame.lowest = min(frame.lowest, number)
        if frame.finished:
            if marker and frame.last is None and self.ends.trusts_marker:
                frame.last = number
        else:
            frame.last_ms = now_ms
            if media is None or not frame.is_of(media):
                frame.damaged = True
            else:
                self._add_media(frame, number, media)
            if marker:
                self._add_marker(frame, number)
        self._find_boundaries(frame, number)  # first, for it tells how the frame before ended
        if frame.last is None and not frame.finished:
            frame.last = self.ends.hint(frame)
            frame.hinted = frame.last is not None

    def _add_media(self, frame: Assembly, number: int, media: Payload) -> None:
        frame.add(number, media)
        self.bytes += len(media.data)
        if media.picture and frame.last is not None and number > frame.last:
            self.ends.disprove()
            frame.last, frame.hinted = None, False

    def _add_marker(self, frame: Assembly, number: int) -> None:
        frame.marks.append(number)
        del frame.marks[:-_MAX_MARKS]
        trusted = self.ends.trusts_marker
        if not frame.damaged:
            self.ends.observe_marker(frame)
        if trusted and not self.ends.trusts_marker and frame.hinted:
            frame.last, frame.hinted = None, False

    def _find_boundaries(self, frame: Assembly, number: int) -> None:
        """Mark one frame's end and the next one's beginning where their packets are neighbours."""
        below, above = self._neighbour(number, -1), self._neighbour(number, 1)
        before, after = self.owners.get(below), self.owners.get(above)
        if before is not None and before is not frame:
            self._end(before, below)
            frame.first = number if frame.first is None else frame.first
        if after is not None and after is not frame:
            self._end(frame, number)
            after.first = above if after.first is None else after.first

    def _end(self, frame: Assembly, number: int) -> None:
        if frame.last is None:
            frame.last = number
            if not frame.finished:
                self.ends.observe_end(frame)

    def _neighbour(self, number: int, step: int) -> int:
        """The next number in a direction that is not padding."""
        at = number + step
        end = number + step * _MAX_PADDING
        while at != end and at in self.owners and self.owners[at] is None:
            at += step
        return at

    def rejoin(self, frame: Assembly) -> None:
        """A whole frame in which no picture begins: its picture began in the last one."""
        if self._served is not None and self._served.codec != frame.codec:
            frame.damaged = True  # nor is there a last one
        elif frame.head is None:
            if self._served is not None:
                self._observe_spread(self._served, frame.rtp)
            self.ends.disprove()
            self.ends.splits = frame.repeated = True
            if self.units.last_key is not None:
                _, frame.head = self.units.last_key
                frame.keyframe = frame.is_entry = True
            else:
                frame.damaged = True  # what was decoded before lacks this part

    def is_unneeded(self, frame: Assembly, number: int) -> bool:
        """Whether a frame's first packet holds nothing; it is of no frame then.

        Nor is there a frame with this timestamp, as long as no other packet of it has come.
        """
        media = frame.packets.get(number)
        if media is None or media.data or media.picture:
            return False
        del frame.packets[number]
        self.owners[number] = None
        if frame.first == number:
            frame.first = None
        if frame.last == number:
            frame.last = self.ends.hint(frame)
            frame.hinted = frame.last is not None
        if not frame.packets and not frame.damaged:
            for rtp in (frame.rtp, *frame.aliases):
                self.frames.pop(rtp, None)
        return True

    def leads(self, frame: Assembly, head: int, nacks: NackRequester) -> bool:
        """Whether the frame at the head had no picture, under a timestamp of its own.

        Its packets are the next picture's then.
        """
        if frame.has_picture or frame.damaged or frame.last is None:
            return False
        if nacks.any_between(head, frame.last):
            return False
        for number in sorted(frame.packets):
            self.units.lead(number, frame.packets[number])
            self.owners[number] = None
        self._leads = True
        self.finish(frame, served=False)
        del self.finished[frame.rtp]  # a picture with this timestamp would be a frame
        return True

    def begins(self, frame: Assembly, head: int, passed: Assembly | None) -> bool:
        """Whether the frame of the packet at the head certainly begins with it.

        `passed`: the frame of the packet before the head.
        """
        if passed is not None and passed is not frame:
            return True
        # Where parameter sets are in the SDP alone, slices are all that a key frame needs.
        return self.units.suffice_for(frame) and frame.may_start_at(head)

    def finish(self, frame: Assembly, *, served: bool) -> None:
        """The frame was served or given up."""
        if served:
            self._served = frame
        else:
            self.units.give_up(frame)
            self._given_up = frame
            frame.repeated = frame.repeated or self._is_part(frame)
        frame.finished, frame.served = True, served
        for number in frame.packets:
            if frame.last is not None and number > frame.last:
                self.owners[number] = None  # it is not part of the picture
        self.bytes -= frame.bytes
        frame.packets = {}
        frame.head = None
        for rtp in (frame.rtp, *frame.aliases):
            self.frames.pop(rtp, None)
            self._remember(rtp, frame)

    def _is_part(self, frame: Assembly) -> bool:
        """Whether a frame that is given up is no picture of its own, so far as it came."""
        if not (frame.has_picture or frame.damaged):
            return self._leads
        others = self.finished.values() if self._spread else ()
        near = (f for f in others if f is not frame and _distance(f.rtp, frame.rtp) <= self._spread)
        return any(
            not frame.begins or (not each.begins and each.lowest > frame.highest) for each in near
        )

    def _remember(self, rtp: int, frame: Assembly) -> None:
        self.finished.pop(rtp, None)
        self.finished[rtp] = frame
        while len(self.finished) > _MAX_FINISHED:
            oldest = next(iter(self.finished))
            del self.finished[oldest]
            if self._is_newer(oldest):
                self._forgotten = oldest

    def restart(self) -> None:
        """Another source: nothing that is known of the last one's frames is true of its own."""
        self.finished.clear()
        self._forgotten = self._served = self._given_up = None
        self._spread, self._leads = 0, False
        self.ends = FrameEnd()
        self.units.parameter_sets.restart()

    def clear(self) -> None:
        """Forget all packets; frames must be finished before."""
        self.owners.clear()
        self.units.clear()
        self._given_up = None  # of numbers that may come again


def _distance(one: int, other: int) -> int:
    return abs(signed_difference(one, other, 32))
