"""Which source (SSRC) of a publisher's video is served, where more than one sends.

Further sources are layers of a simulcast, or what the first one goes on as: an encoder that was
restarted, a camera that was switched. Of layers, the one is served that the plan can use best; one
that falls silent gives way to the best of the others, as the sender's link carries no more. Any
other source takes over only from one that is silent. Pure: times in ms are arguments.
"""

from __future__ import annotations

from collections.abc import Collection

from edge.profile.variant import LONG_SIDES
from edge.rtc.sources.source import MAX_KEY_PACKETS, MAX_WAITING, Arrival, Source

_MAX_GONE = 32  # sources that ended and are remembered; the oldest is forgotten first
MAX_SOURCES = 8  # known at a time; with one more, the longest silent gives way, or the new one
_SILENT_MS = 500.0  # after which another source takes over, whatever it sends
_SILENT_INTERVALS, _MIN_SILENT_MS = 3.0, 100.0  # the same once it has sent more than one frame
_OVERLAP_MS = 100.0  # by which a source's last packets may come after the next one's first
_KEY_AGE_MS = 500.0  # of a key frame that another layer still goes on from
_SAME_MS = 500.0  # between the arrivals of a capture's frames
_SAME_INTERVAL = 0.5  # of a frame interval: the same where the timestamps differ
_FIRST_INTERVAL = 0.25  # the same for a layer's first frame, of which the pace is not known
_CERTAIN = 8  # frames more that contradict an offset than confirm it
_RELATE_MS = 1000.0  # a layer whose offset has not been seen by then is served without it
_GROW_MS = 1000.0  # after a layer fell silent, until a larger one is served
_SHRINK_MS = 2000.0  # after a change, until a smaller layer is served where the larger one goes on
_MAX_SLOWER = 2.0  # than the fastest layer: a slower one is no layer that the link carries
_ASK_MS, _MAX_ASK_MS = 300.0, 5000.0  # between requests for a layer's key frame, doubled each time
_MAX_UNKNOWN = 3  # requests of a layer to learn its size


class SourceSelector:
    """Serves one source; the packets of the others wait meanwhile.

    `layers` are those that the publisher has named: their timestamps may differ by an offset.
    Sources that stamp the same captures alike are layers without a word.
    """

    def __init__(self, layers: Collection[int] = ()) -> None:
        self.wanted_long_side = LONG_SIDES[-1]
        """Of the pictures, in pixels: the smallest layer that has it is served, else the largest"""
        self._layers = frozenset(layers)
        self._sources: dict[int, Source] = {}
        self._gone: dict[int, Source] = {}  # that said goodbye, or gave way to others
        self._served: Source | None = None
        self._packet_ms = float("-inf")  # the last packet served
        self._fell_ms = self._changed_ms = float("-inf")

    @property
    def ssrc(self) -> int | None:
        """The source that is served; None before the first packet and after a goodbye."""
        return self._served.ssrc if self._served is not None else None

    def goodbye(self, ssrcs: Collection[int]) -> None:
        """Sources have ended (BYE): after the served one, the next packet's source is served."""
        for ssrc in ssrcs:
            source = self._sources.get(ssrc)
            if source is not None and source is self._served:
                self._served = None
            self._forget(ssrc)

    def find(self, ssrc: int | None) -> Source | None:
        """A source, if it is known."""
        return self._sources.get(ssrc) if ssrc is not None else None

    def capture(self, ssrc: int, rtp: int) -> tuple[int, int]:
        """What a timestamp means: the same for all layers' frames of one capture."""
        source = self._sources.get(ssrc) or self._gone.get(ssrc)
        if source is None:
            return ssrc, rtp
        return source.clock, (rtp - source.offset) & 0xFFFFFFFF

    def take(self, arrival: Arrival) -> list[Arrival]:
        """The packets to be served now.

        Those of another source than the last begin with the first that it sent, or with a layer's
        key frame.
        """
        now_ms = arrival.at_ms
        source = self._find(arrival.packet.ssrc, now_ms)
        if source is None:
            return []
        if source.note(arrival):
            self._compare(source, now_ms)
        served = self._served
        if source is served:
            self._packet_ms = now_ms
            return [arrival]
        is_layer = served is not None and _are_layers(source, served)
        asked = source.asked > 0
        source.hold(arrival, MAX_KEY_PACKETS if asked else MAX_WAITING, from_key=is_layer)
        if served is None or not is_layer:
            if served is None or self._is_silent(served, source, now_ms):
                return self._serve(source, now_ms, is_layer=is_layer)
            return []
        silent = self._is_silent(served, source, now_ms, of_layers=True)
        if self._best(served, now_ms, silent=silent) is not source:
            return []
        if silent:
            self._fell_ms = now_ms
        elif not (
            self._is_settled(source, served, now_ms)
            and (source.clock == served.clock or now_ms - source.since_ms >= _RELATE_MS)
            and source.key_began_ms >= now_ms - _KEY_AGE_MS
            and source.has_key
        ):
            return []
        return self._serve(source, now_ms, is_layer=True)

    def keyframe_due(self, now_ms: float) -> int | None:
        """The layer to request a key frame of, so that it can be served; counts as requested."""
        served = self._served
        if served is None or len(self._sources) < 2:
            return None
        best = self._best(served, now_ms, silent=False)
        for source in self._sources.values():
            if source is served or not _are_layers(source, served):
                continue
            unknown = not source.long_side and source.asked < _MAX_UNKNOWN
            unknown = unknown and _is_sent(source, now_ms)
            if source is best:
                if not self._is_settled(source, served, now_ms):
                    continue
            elif not unknown:
                continue
            wait_ms = min(_MAX_ASK_MS, _ASK_MS * 2.0 ** min(source.asked - 1, 8))
            due_ms = source.asked_ms + wait_ms if source.asked else source.frame_ms
            if now_ms >= max(due_ms, source.key_began_ms + _ASK_MS):
                source.asked, source.asked_ms = source.asked + 1, now_ms
                return source.ssrc
        return None

    # -- which one --------------------------------------------------------------------------------

    def _find(self, ssrc: int, now_ms: float) -> Source | None:
        source = self._sources.get(ssrc)
        if source is not None:
            return source
        if len(self._sources) >= MAX_SOURCES:
            others = [each for each in self._sources.values() if each is not self._served]
            oldest = min(others, key=lambda each: each.packet_ms)
            if now_ms - oldest.packet_ms < _SILENT_MS:
                return None
            self._forget(oldest.ssrc)
        gone = self._gone.pop(ssrc, None)
        source = self._sources[ssrc] = Source(ssrc) if gone is None else gone.back()
        source.declared = source.declared or ssrc in self._layers
        return source

    def _forget(self, ssrc: int) -> None:
        """A source has ended; its frames keep their captures, also if it comes back."""
        if (source := self._sources.pop(ssrc, None)) is not None:
            self._gone[ssrc] = source.back()
            if len(self._gone) > _MAX_GONE:
                del self._gone[next(iter(self._gone))]

    def _serve(self, source: Source, now_ms: float, *, is_layer: bool) -> list[Arrival]:
        since_ms = self._packet_ms - _OVERLAP_MS
        if is_layer and source.key_began_ms >= now_ms - _KEY_AGE_MS:
            since_ms = min(since_ms, source.key_began_ms)
        self._served, self._packet_ms, self._changed_ms = source, now_ms, now_ms
        return source.take(since_ms, from_key=is_layer)

    def _is_silent(
        self, served: Source, other: Source, now_ms: float, *, of_layers: bool = False
    ) -> bool:
        """Whether the other source may take over; a slow layer is not silent between two frames."""
        silent_ms = now_ms - self._packet_ms
        if silent_ms >= _SILENT_MS and not of_layers:
            return True
        return silent_ms >= max(_MIN_SILENT_MS, _SILENT_INTERVALS * served.interval_ms) and (
            other.has_frames_since(self._packet_ms)
        )

    def _best(self, served: Source, now_ms: float, *, silent: bool) -> Source:
        """The layer that the plan can use best, of those that are sent."""
        sent = [
            each
            for each in self._sources.values()
            if _are_layers(each, served)
            and (not silent if each is served else _is_sent(each, now_ms))
        ]
        if not sent:
            return served
        interval_ms = _MAX_SLOWER * min(each.interval_ms for each in sent)
        sized = [each for each in sent if each.long_side and each.interval_ms <= interval_ms]
        if not sized or (not silent and not served.long_side):
            return sent[-1] if silent else served
        enough = [each for each in sized if each.long_side >= self.wanted_long_side]
        side = (
            min(each.long_side for each in enough)
            if enough
            else max(each.long_side for each in sized)
        )
        equal = [each for each in sized if each.long_side == side]
        return served if served in equal else equal[0]

    def _is_settled(self, source: Source, served: Source, now_ms: float) -> bool:
        """Whether enough time has gone by for a change between two layers that both go on."""
        if source.long_side > served.long_side:
            return now_ms - self._fell_ms >= _GROW_MS
        return now_ms - self._changed_ms >= _SHRINK_MS

    # -- which of them stamp the same captures ----------------------------------------------------

    def _compare(self, source: Source, now_ms: float) -> None:
        """A frame of the source began: is it of a capture that the served source, or one that is
        not served, has stamped as well?"""
        served = self._served
        if served is not None and source is not served:
            _relate(source, served, _arrive_together(source, served))
        elif served is not None:
            for other in self._sources.values():
                if other is not served:
                    _relate(other, served, _arrive_together(served, other))


def _arrive_together(newer: Source, other: Source) -> bool:
    """Whether the frame that just began and another source's newest may be of one capture.

    A frame that came out of its own stream's pace may be nearer to another capture's; so may a
    first one, large as it is, that another source's next frame follows.
    """
    if other.is_on_pace is False or newer.is_on_pace is False:
        return False
    if newer.is_on_pace and other.is_on_pace is None:
        return False
    share = _SAME_INTERVAL if newer.is_on_pace else _FIRST_INTERVAL
    apart_ms = newer.frame_ms - other.frame_ms
    return apart_ms < share * min(newer.interval_ms, other.interval_ms)


def _relate(source: Source, served: Source, together: bool) -> None:
    """Compare a source's clock with the served one's by their newest frames."""
    pairs = ((source, served), (served, source))
    stamped_ms = [(each.recent.get(other.newest), other.frame_ms) for each, other in pairs]
    same = any(at_ms is not None and abs(at_ms - ms) < _SAME_MS for at_ms, ms in stamped_ms)
    if same and (source.clock != served.clock or source.offset == served.offset):
        offset = served.offset
    elif source.declared and served.declared and together:
        offset = (served.offset + source.newest - served.newest) & 0xFFFFFFFF
    else:
        return
    if source.clock != served.clock:
        source.clock, source.offset, source.doubtful = served.clock, offset, (offset, 0)
    elif source.offset == offset:
        source.doubtful = (source.doubtful[0], max(0, source.doubtful[1] - 1))
    else:
        count = source.doubtful[1] if source.doubtful[0] == offset else 0
        source.doubtful = (offset, count + 1)
        if count + 1 >= _CERTAIN:
            source.offset, source.doubtful = offset, (offset, 0)


def _are_layers(one: Source, other: Source) -> bool:
    return one.clock == other.clock or (one.declared and other.declared)


def _is_sent(source: Source, now_ms: float) -> bool:
    least_ms = 2.0 * _MIN_SILENT_MS
    return now_ms - source.packet_ms < max(least_ms, _SILENT_INTERVALS * source.interval_ms)
