"""One source (SSRC) of a publisher's video: its rate, its pictures' size, the packets that wait.

Pure: times in ms are arguments.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from edge.rtc.jitter.depacketizer import depacketize
from edge.rtc.jitter.nal_units import SPS, kind_of, parameter_set_id
from edge.rtc.jitter.parameter_sets import MAX_UNIT_BYTES
from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.rtp import RtpPacket
from edge.rtc.sources.sequence_parameters import picture_size
from edge.rtc.unwrapper import signed_difference

MAX_WAITING = 256  # packets of a source that waits; beyond, the oldest is dropped
MAX_KEY_PACKETS = 2048  # the same where a key frame of it is awaited (a 4K one has 1,700)
_WAITING_MS = 2000.0  # a packet that waits longer is dropped
_MAX_RECENT = 64  # frames whose timestamps are remembered; the oldest is forgotten first
_MAX_UNITS = 8  # parameter sets of a source; further ones are not kept
_MAX_INTERVAL_MS = 2500.0  # between two frames; more is a pause
_FIRST_INTERVAL_MS = 1000.0 / 15.0
_PACE = 0.25  # of an interval: by which a frame that is on pace may come off it
_TICKS_PER_MS = 90.0


@dataclass(slots=True)
class Arrival:
    """A packet with its part of a frame, None for padding and for a malformed one."""

    packet: RtpPacket
    media: Payload | None
    at_ms: float

    @classmethod
    def of(cls, packet: RtpPacket, codec: str, at_ms: float) -> Arrival:
        """A packet of a codec: "vp8", "h264", "vp9" or "av1"."""
        return cls(packet, depacketize(codec, packet.payload) if packet.payload else None, at_ms)

    @property
    def has_picture(self) -> bool:
        """Whether it is of a frame, though it may be malformed."""
        return bool(self.packet.payload) and (self.media is None or self.media.picture)


class _KeyFrame:
    """Which packets of a key frame have come; those of other frames tell where it ends."""

    def __init__(self, rtp: int) -> None:
        self.rtp = rtp
        self._first: int | None = None  # the number that places are counted from
        self._places: set[int] = set()
        self._lowest = self._highest = 0
        self._marked = False  # the highest one
        self._others: set[int] = set()

    def add(self, packet: RtpPacket) -> None:
        """One of its packets or of another frame's."""
        of_it = packet.timestamp == self.rtp
        if self._first is None and of_it:
            self._first = packet.sequence
        if self._first is None:
            return  # in front of it
        place = signed_difference(packet.sequence, self._first, 16)
        if not of_it:
            self._others.add(place)
            return
        self._places.add(place)
        self._lowest = min(self._lowest, place)
        if place >= self._highest:
            self._marked = packet.marker or (self._marked and place == self._highest)
            self._highest = place

    @property
    def is_whole(self) -> bool:
        """Whether all its packets have come."""
        ended = self._marked or self._highest + 1 in self._others
        return ended and self._highest - self._lowest + 1 == len(self._places)


class Source:
    """One source as it arrives, whether it is served or not.

    `clock` names the group of sources that stamp the same captures; in it the source's timestamps
    are ahead by `offset`.
    """

    def __init__(self, ssrc: int) -> None:
        self.ssrc = ssrc
        self.clock, self.offset = ssrc, 0
        self.doubtful = (0, 0)  # another offset, and how many frames were for it
        self.declared = False  # a layer by the publisher's word
        self.stream_id: bytes | None = None  # by which it is one, in a simulcast with rids
        self.since_ms = float("inf")  # its first packet
        self.packet_ms = self.frame_ms = float("-inf")
        self.is_on_pace: bool | None = None  # the newest frame, by its timestamp; a first one: None
        self.interval_ms = _FIRST_INTERVAL_MS  # between frames
        self.newest = 0  # the timestamp of the frame that began last
        self.recent: dict[int, float] = {}  # arrival by timestamp
        self.asked_ms = float("-inf")  # for a key frame, since it was served last
        self.asked = 0
        self._timestamp: int | None = None
        self._units: dict[tuple[int, int], bytes] = {}
        self._long_side = 0
        self._unread: bytes | None = None  # the latest SPS, whose size nobody has asked for
        self._waiting: deque[Arrival] = deque()
        self._other_ms = float("-inf")  # the last packet that waits of another than the last frame
        self._key: _KeyFrame | None = None  # that the packets begin with

    def back(self) -> Source:
        """The same source as it comes back after a goodbye: what it was is known, no packet is."""
        source = Source(self.ssrc)
        source.clock, source.offset = self.clock, self.offset
        source.declared, source.stream_id = self.declared, self.stream_id
        source._long_side = self.long_side
        return source

    @property
    def long_side(self) -> int:
        """That of its pictures in pixels, 0 while unknown."""
        # Read when it matters: a publisher can send more sets than are worth reading.
        if self._unread is not None:
            if (size := picture_size(self._unread)) is not None:
                self._long_side = max(size)
            self._unread = None
        return self._long_side

    @property
    def parameter_sets(self) -> Iterable[bytes]:
        """H264's, the latest of each kind and id."""
        return self._units.values()

    def note(self, arrival: Arrival) -> bool:
        """Take a packet into account; whether a frame begins with it."""
        packet, at_ms = arrival.packet, arrival.at_ms
        self.packet_ms, self.since_ms = at_ms, min(at_ms, self.since_ms)
        if packet.stream_id is not None:
            self.declared, self.stream_id = True, packet.stream_id
        media = arrival.media
        if media is not None and (media.width or media.parameters):
            self._learn(media)
        if packet.timestamp == self._timestamp:
            return False
        if self._timestamp is not None:
            ticks = signed_difference(packet.timestamp, self._timestamp, 32)
            strayed_ms = abs(at_ms - self.frame_ms - ticks / _TICKS_PER_MS)
            self.is_on_pace = strayed_ms < _PACE * self.interval_ms
        self._timestamp = packet.timestamp
        if 0.0 < at_ms - self.frame_ms < _MAX_INTERVAL_MS:
            self.interval_ms += 0.1 * (at_ms - self.frame_ms - self.interval_ms)
        self.frame_ms = at_ms
        if packet.timestamp in self.recent:
            return False
        self.newest = packet.timestamp
        self.recent[packet.timestamp] = at_ms
        if len(self.recent) > _MAX_RECENT:
            del self.recent[next(iter(self.recent))]
        return True

    def _learn(self, media: Payload) -> None:
        if media.width:
            self._long_side, self._unread = max(media.width, media.height), None
        for unit in media.parameters[:_MAX_UNITS]:
            identity = parameter_set_id(unit)
            if identity is None or len(unit) > MAX_UNIT_BYTES or self._units.get(identity) == unit:
                continue
            if identity in self._units or len(self._units) < _MAX_UNITS:
                self._units[identity] = unit
            if kind_of(unit) == SPS:
                self._unread = unit

    # -- the packets that wait --------------------------------------------------------------------

    def hold(self, arrival: Arrival, bound: int, *, from_key: bool) -> None:
        """Keep a packet; `from_key`: those before the latest key frame are of no use."""
        media, waiting, rtp = arrival.media, self._waiting, arrival.packet.timestamp
        if waiting and waiting[-1].packet.timestamp != rtp:
            self._other_ms = waiting[-1].at_ms
        waiting.append(arrival)
        if from_key and media is not None and media.keyframe and not self._begins_with(rtp):
            # Parameter sets may come in front of it under another timestamp.
            before = list(waiting)
            begin = len(before)
            while begin and (
                before[begin - 1].packet.timestamp == rtp or not before[begin - 1].has_picture
            ):
                begin -= 1
            self._waiting = waiting = deque(before[begin:])
            self._key, self._other_ms = _KeyFrame(rtp), float("-inf")
            for each in waiting:
                self._key.add(each.packet)
                if each.packet.timestamp != rtp:
                    self._other_ms = each.at_ms
        elif self._key is not None:
            self._key.add(arrival.packet)
        while len(waiting) > bound or arrival.at_ms - waiting[0].at_ms > _WAITING_MS:
            waiting.popleft()
            self._key = None

    def _begins_with(self, rtp: int) -> bool:
        return self._key is not None and self._key.rtp == rtp

    def has_frames_since(self, at_ms: float) -> bool:
        """Whether packets of more than one frame wait that came later."""
        return bool(self._waiting) and at_ms < self._other_ms >= self._waiting[0].at_ms

    @property
    def key_began_ms(self) -> float:
        """When the key frame arrived that the waiting packets begin with; -infinity without one."""
        return self._waiting[0].at_ms if self._key is not None else float("-inf")

    @property
    def has_key(self) -> bool:
        """Whether the waiting packets begin with a key frame that has come whole."""
        if self._key is None or not self._key.is_whole:
            return False
        opening = self._waiting[0].media
        return opening is not None and not opening.resumes

    def take(self, since_ms: float, *, from_key: bool) -> list[Arrival]:
        """The waiting packets that are to be served: all from the key frame on, or those that came
        at `since_ms` or later. The others are dropped."""
        from_key = from_key and self.key_began_ms >= since_ms
        taken = [each for each in self._waiting if from_key or each.at_ms >= since_ms]
        self._waiting.clear()
        self._key, self.asked, self.asked_ms = None, 0, float("-inf")
        return taken
