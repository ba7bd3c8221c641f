"""From a frame's packets to the access unit that is decoded (H.264, 7.4.1.2.3).

What comes after a picture, such as parameter sets and messages, begins the next access unit,
whatever timestamp it has. Pure.
"""

from __future__ import annotations

from edge.rtc.jitter.frames import Assembly, EncodedFrame
from edge.rtc.jitter.parameter_sets import ParameterSets
from edge.rtc.jitter.payloads import av1, vp9
from edge.rtc.jitter.payloads.payload import Payload

_MAX_LEADING = 32  # packets waiting for the next picture; with one more, the oldest is dropped
_MAX_LEADING_BYTES = 64 << 10  # the same in bytes
_WITH_SETS = "h264"  # the codec that has parameter sets


class AccessUnits:
    """Makes access units, each with what came before its picture and with what it lacks."""

    def __init__(self) -> None:
        self.parameter_sets = ParameterSets()
        self.last_key: tuple[Assembly, bytes] | None = None  # the latest frame, if a key frame
        self.failures = 0  # frames that could not be assembled, by a mistake of ours
        self.failure: Exception | None = None  # the first of them, until it is logged
        self._leading: dict[int, Payload] = {}  # by packet number

    def lead(self, number: int, media: Payload) -> None:
        """A packet without data of a picture, which belongs to the next picture.

        Fragments are of no use without each other.
        """
        if not (media.data and media.starts and media.closed):
            return
        self._leading[number] = media
        while (
            len(self._leading) > _MAX_LEADING
            or sum(len(each.data) for each in self._leading.values()) > _MAX_LEADING_BYTES
        ):
            dropped = self._leading.pop(min(self._leading))
            self.parameter_sets.add(dropped.parameters)

    def recovery_before(self, number: int, media: Payload | None) -> int | None:
        """recovery_frame_cnt among the packets that lead to the picture with this packet."""
        codec = media.codec if media is not None else ""
        leading = (each for at, each in self._leading.items() if at < number)
        counts = (each.recovery for each in leading if each.codec == codec)
        return next((count for count in counts if count is not None), None)

    def give_up(self, frame: Assembly) -> None:
        """Keep a lost frame's parameter sets: its sender may not repeat them."""
        for number in sorted(frame.packets):
            self.parameter_sets.add(frame.packets[number].parameters)

    def suffice_for(self, frame: Assembly) -> bool:
        """Whether a key frame needs no parameter sets with it, and has none (H264)."""
        return frame.codec == _WITH_SETS and self.parameter_sets.suffice

    def clear(self) -> None:
        """Another stream begins."""
        self._leading.clear()
        self.last_key = None

    def take_failure(self) -> Exception | None:
        """Why the first frame could not be assembled; once."""
        failure, self.failure = self.failure, None
        return failure

    def assemble(self, frame: Assembly, now_ms: float, *, entering: bool) -> EncodedFrame | None:
        """A complete frame for the decoder; None where that fails, which costs this frame alone.

        `entering`: nothing was decoded just before, or another codec was.
        """
        try:
            return self._assembled(frame, now_ms, entering=entering)
        except Exception as error:
            if not self.failures:
                self.failure = error
            self.failures += 1
            return None

    def _assembled(self, frame: Assembly, now_ms: float, *, entering: bool) -> EncodedFrame:
        numbers = sorted(frame.packets)
        until = min((n for n in numbers if n > frame.last_picture), default=numbers[-1] + 1)
        media = [self._leading.pop(n) for n in sorted(self._leading) if n < frame.last_picture]
        for other in (each for each in media if not frame.is_of(each)):
            self.parameter_sets.add(other.parameters)
        media = [each for each in media if frame.is_of(each)]
        media += [frame.packets[n] for n in numbers if n < until]
        for number in numbers:
            if number >= until:
                self.lead(number, frame.packets[number])
        units = [unit for each in media for unit in each.parameters]
        data = _JOINS.get(frame.codec, _joined)(media)
        largest = max((each for each in media if each.picture), key=_area)
        if frame.head is not None:
            data = frame.head + data
        elif (frame.keyframe or entering) and frame.codec == _WITH_SETS:
            data = self.parameter_sets.missing_from(units) + data
        self.parameter_sets.add(units)
        # Once, or each packet more could have all of it decoded again.
        self.last_key = (frame, data) if frame.keyframe and not frame.repeated else None
        return EncodedFrame(
            rtp=frame.rtp,
            data=data,
            keyframe=frame.keyframe,
            first_packet_ms=frame.first_ms,
            received_ms=now_ms,
            width=largest.width,
            height=largest.height,
            droppable=bool(frame.droppable) and not frame.keyframe,
            recovery=entering and not frame.keyframe and frame.recovery is not None,
            unannounced=entering and frame.unannounced,
            repeated=frame.repeated,
            codec=frame.codec,
        )


def _joined(media: list[Payload]) -> bytes:
    return b"".join([each.data for each in media])


def _area(media: Payload) -> int:
    return media.width * media.height


_JOINS = {"vp9": vp9.joined, "av1": av1.joined}
