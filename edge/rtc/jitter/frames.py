"""The two forms of a frame before decoding, being assembled and encoded, and what ends them."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.rtc.jitter.payloads.payload import Payload
from edge.rtc.jitter.payloads.picture_reference import PictureReference

_Data = bytes  # where a field has the type's name


@dataclass(slots=True)
class EncodedFrame:
    """One complete frame (an access unit) for the decoder.

    `rtp` is the raw 32-bit timestamp; `width` and `height` are 0 where only the decoder can tell;
    `droppable` means that no other frame refers to this one. `recovery`: decoding begins anew at
    this recovery point, with pictures once it has recovered. `unannounced`: decoding goes on here,
    though nothing tells that it can, since no key frame has come for long. `repeated`: a frame with
    this timestamp has been served before, so this one is decoded for the sake of those that refer
    to it and has no outcome of its own.
    Times in ms on the server's monotonic clock: first packet received, last packet received.
    """

    rtp: int
    data: bytes
    keyframe: bool
    first_packet_ms: float
    received_ms: float
    width: int = 0
    height: int = 0
    droppable: bool = False
    recovery: bool = False
    repeated: bool = False
    codec: str = ""
    unannounced: bool = False

    @property
    def is_entry(self) -> bool:
        """Whether decoding may begin here."""
        return self.keyframe or self.recovery or self.unannounced


@dataclass(slots=True, eq=False)
class Assembly:
    """A frame whose packets are arriving, by unwrapped sequence number."""

    rtp: int
    first_ms: float
    last_ms: float
    packets: dict[int, Payload] = field(default_factory=dict)
    first: int | None = None  # its first and last packet, once known for certain
    last: int | None = None
    hinted: bool = False  # `last` is the sender's word, which its next packet may disprove
    highest: int = 0  # of the packets that came
    lowest: float = float("inf")
    bytes: int = 0
    keyframe: bool = False
    delta: bool = False
    droppable: bool | None = None
    damaged: bool = False
    finished: bool = False  # served or given up
    served: bool = False
    recovery: int | None = None  # recovery_frame_cnt, if it is a recovery point
    is_entry: bool = False  # decoding may begin here: a key frame, a recovery point or as follows
    unannounced: bool = False  # there is no hope of an entry that its sender announces
    marks: list[int] = field(default_factory=list)  # packets with the marker bit
    first_picture: float = float("inf")  # the first and last packet with data of the picture
    last_picture: int = -1
    begins: bool = False  # with the beginning of a picture
    slices: int = 0  # packets in which a slice begins
    slice_at: int | None = None  # the first macroblock of the last slice (H264)
    slice_packet: int = -1  # where that slice begins
    repeated: bool = False  # a frame with this timestamp has been served before
    reference: PictureReference | None = None  # what the picture refers to (VP9)
    head: _Data | None = None  # of a repeated one: the part that was served too early
    aliases: list[int] = field(default_factory=list)  # further timestamps of the same picture
    codec: str = ""  # of the first packet that could be read

    @property
    def has_picture(self) -> bool:
        """Whether any data of a picture came; otherwise its packets belong to the next frame."""
        return self.last_picture >= 0

    @property
    def may_go_on(self) -> bool:
        """Whether its picture has begun, and no marker has ended it."""
        return self.has_picture and self.last_picture not in self.marks

    @property
    def is_closed(self) -> bool:
        """Whether the last unit of the picture that came is whole."""
        last = self.packets.get(self.last_picture)
        return last is not None and last.closed

    @property
    def has_start(self) -> bool:
        """Whether the packet that a decoder can begin with has come."""
        first = self.packets.get(self.first if self.first is not None else -1)
        return first is not None and (first.starts or self.head is not None)

    def may_start_at(self, head: int) -> bool:
        """Whether it is a key frame whose picture, for all that is known, begins at the `head`."""
        first = self.packets.get(head)
        begins = first is not None and first.starts and not first.resumes
        return begins and self.keyframe and self.first is None

    def is_useless(self, head: int, needs_keyframe: bool) -> bool:
        """Whether nothing can come of it, for it begins before the `head` of the buffer.

        Parameter sets may belong to the next frame, and a picture that does not begin here may
        have begun in the last one: both are awaited to their end.
        """
        if self.damaged or not self.has_picture:
            return self.damaged
        goes_on = self.last is None and self.first == head and not self.begins
        return needs_keyframe or not goes_on

    def is_followed(self, newest: Assembly, number: int, media: Payload | None) -> bool:
        """Whether a packet with this frame's timestamp is another frame's.

        A frame's packets are neighbours: `newest`, the frame of the highest number, may stand
        between. Else its end must have come, and the packet must begin a picture.
        """
        if newest is not self:
            return number > newest.lowest > self.highest
        if media is None or not (media.picture and media.starts) or media.resumes:
            return False
        if not self.is_of(media):
            return False  # the same picture once more, in another codec
        return (media.keyframe or media.delta) and self.last is not None and number > self.last

    def is_of(self, media: Payload | None) -> bool:
        """Whether a packet may be of this frame by its codec."""
        return media is None or not self.codec or media.codec == self.codec

    def add(self, number: int, media: Payload) -> None:
        """Take a packet's part, of the frame's codec."""
        self.codec = media.codec
        if media.first and number < min(self.first_picture, _or_infinity(self.first)):
            self.first = number
        if media.picture:
            if media.droppable is not None:
                self.droppable = media.droppable and self.droppable is not False
            if media.reference is not None:
                self.reference = media.reference.merged(self.reference)
            if self.first is not None and number < self.first:
                self.first = None  # parameter sets after the picture do not begin it
            self.begins = self.begins or not media.resumes
            self.first_picture = min(self.first_picture, number)
            self.last_picture = max(self.last_picture, number)
        if media.recovery is not None:
            self.recovery = media.recovery
        if media.slice_at is not None:
            self.slices += 1
            if number > self.slice_packet:
                self.slice_packet, self.slice_at = number, media.slice_at
        self.packets[number] = media
        self.keyframe = self.keyframe or media.keyframe
        self.delta = self.delta or media.delta
        self.is_entry = self.keyframe or self.recovery is not None or self.unannounced
        self.bytes += len(media.data)


def _or_infinity(number: int | None) -> float:
    return float("inf") if number is None else number


@dataclass(slots=True)
class JitterBufferOutput:
    """Frames to decode, frames given up (by RTP timestamp), packets and a key frame to request.

    `started_over`: the sequence number that the sender went on with after a jump.
    """

    decodable: list[EncodedFrame] = field(default_factory=list)  # with the repeated ones
    lost: list[int] = field(default_factory=list)
    nack: list[int] = field(default_factory=list)
    keyframe: bool = False
    started_over: int | None = None

    @property
    def frames(self) -> list[EncodedFrame]:
        """Those to decode that have an outcome of their own."""
        return [frame for frame in self.decodable if not frame.repeated]
