"""One packet's part of a frame, as depacketizers read it."""

from __future__ import annotations

from dataclasses import dataclass

from edge.rtc.jitter.payloads.picture_reference import PictureReference


@dataclass(slots=True)
class Payload:
    """One packet's part of a frame.

    `data` is for the decoder. `starts` means that a frame may begin here, `first` that one
    certainly does. `keyframe` marks a packet that only key frames have, `delta` one that they never
    have. `droppable`: no other frame refers to this one, as far as this packet tells; None where it
    does not. `width` and `height` are those of a VP8 or VP9 key frame, in its first packet, else 0.

    `picture`: it has data of a picture; without, it holds what goes before or after one (parameter
    sets, messages, filler). `resumes`: its picture has begun in an earlier packet. `closed`: its
    last unit ends with it. H264 only: `slice_at` is the first macroblock of the last slice that
    begins here, `parameters` are the SPS and PPS units, `recovery` is the recovery_frame_cnt of a
    recovery point (H.264, D.2.8). VP9 only: `reference`, in every packet.
    `codec` is the packet's, one of `CODECS`: a frame has parts of one alone.
    """

    data: bytes
    starts: bool
    first: bool
    keyframe: bool
    delta: bool
    droppable: bool | None = False
    width: int = 0
    height: int = 0
    picture: bool = True
    resumes: bool = False
    closed: bool = True
    slice_at: int | None = None
    parameters: tuple[bytes, ...] = ()
    recovery: int | None = None
    reference: PictureReference | None = None
    codec: str = ""
