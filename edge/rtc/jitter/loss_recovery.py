"""Loss recovery beyond single packets: key frame requests and tail loss probes.

Pure: times in ms are arguments. `owners` maps each unwrapped sequence number that came to its
frame, None for padding.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, MutableMapping

from edge.rtc.jitter.frames import Assembly
from edge.rtc.jitter.nack import NackRequester
from edge.rtc.jitter.payloads.payload import Payload

KEY_RUN = 4  # packets missing in a row that may hold a complete key frame
TAIL_MS = 25.0  # of silence in mid-frame before its next packet is requested
NEVER = float("inf")
PLI_INTERVAL_MS = 150.0  # Chromium answers one in 300 ms: a lost one must not cost two intervals
_PLI_LIFETIME_MS = 1000.0  # a stream silent for this long is not asked for key frames
UNANSWERED = 14  # requests, two seconds or more of them: then there is no hope of a key frame
_UNANSWERED_PERIODIC = 120  # the same where key frames have come again before, however seldom
_UNANSWERED_KNOWN = 4  # the same where there was none to hope for the last time
_KEYFRAME_WAIT_MS = 150.0  # for which a key frame's packets are awaited longer
_MAX_PROBES = 3  # in one silence
MAX_PROBED = 16  # packets: with the first, one word of a NACK


class KeyframeRequester:
    """Picture loss indications (RFC 4585): rate-limited, and none while a key frame arrives.

    Encoders exist that refresh their pictures bit by bit and say so nowhere (H264 without IDR
    pictures and recovery points). Once requests enough have brought no sign of a key frame,
    decoding goes on from any picture, parts of which are old until all of it has been refreshed.
    """

    def __init__(self) -> None:
        self.needed = False
        self._requested_ms = -NEVER
        self._unanswered = 0
        self._entry: Assembly | None = None  # the last key frame or recovery point
        self._most_unanswered = UNANSWERED

    def observe(self, frame: Assembly | None, media: Payload | None) -> None:
        """A packet of a frame came; the frame is an entry if there is no hope of another."""
        if frame is None or media is None:
            return
        if media.keyframe or media.recovery is not None:
            again = self._entry not in (None, frame)
            self._most_unanswered = _UNANSWERED_PERIODIC if again else self._most_unanswered
            self._unanswered, self._entry = 0, frame
        elif self._unanswered >= self._most_unanswered and media.codec == "h264":
            begins = media.picture and not media.resumes
            frame.unannounced = frame.unannounced or begins
            frame.is_entry = frame.is_entry or begins

    def served(self, frame: Assembly) -> None:
        """A frame was served: none is needed."""
        self.needed, self._unanswered = False, 0
        if frame.unannounced:
            self._most_unanswered = _UNANSWERED_KNOWN

    def wake_ms(self, frames: Iterable[Assembly], nacks: NackRequester, arrival_ms: float) -> float:
        """The time of the next request, or infinity; the last packet came at `arrival_ms`."""
        if not self.needed:
            return NEVER
        due_ms = max(self._retry_ms(frames, nacks), arrival_ms)
        return due_ms if due_ms < arrival_ms + _PLI_LIFETIME_MS else NEVER

    def due(
        self, frames: Iterable[Assembly], nacks: NackRequester, arrival_ms: float, now_ms: float
    ) -> bool:
        """Whether to request a key frame now; counts as requested."""
        # By the time when it fell due, as above, however late this call is: else it would stay due.
        if self.wake_ms(frames, nacks, arrival_ms) > now_ms:
            return False
        self._requested_ms = now_ms
        self._unanswered += 1
        return True

    def _retry_ms(self, frames: Iterable[Assembly], nacks: NackRequester) -> float:
        arriving_ms = (frame.first_ms for frame in frames if _is_entry(frame))
        return max(
            self._requested_ms + max(PLI_INTERVAL_MS, 2.0 * nacks.rtt_ms),
            max(arriving_ms, default=-NEVER) + nacks.max_wait_ms,
        )


def _is_entry(frame: Assembly) -> bool:
    return frame.keyframe or frame.recovery is not None


class TailLossProbe:
    """Requests for packets that no later one has shown to be missing (cf. RFC 8985, section 7).

    These are the end of a frame that has broken off, and a frame that is overdue: as many packets
    as a usual frame has. Senders ignore sequence numbers that they have not used yet.
    """

    def __init__(self) -> None:
        self.interval_ms = NEVER  # between frames, on average
        self._frame_packets = 1.0  # of a usual frame
        self._frame_ms: float | None = None  # when the last frame began
        self._probes = 0  # since the last packet in order
        self._probed_ms = 0.0

    def packet_arrived(self) -> None:
        """A packet came that is later than all before it."""
        self._probes = 0

    def frame_began(self, now_ms: float) -> None:
        """A frame's first packet came."""
        if self._frame_ms is not None:
            interval_ms = min(1000.0, max(5.0, now_ms - self._frame_ms))
            if self.interval_ms < NEVER:
                interval_ms = self.interval_ms + 0.2 * (interval_ms - self.interval_ms)
            self.interval_ms = interval_ms
        self._frame_ms = now_ms

    def frame_completed(self, packets: int) -> None:
        self._frame_packets += 0.2 * (packets - self._frame_packets)

    def wake_ms(self, tail: Assembly | None, arrival_ms: float, nacks: NackRequester) -> float:
        """The time of the next probe, or infinity; the last packet came at `arrival_ms`."""
        if self._probes >= _MAX_PROBES or arrival_ms == -NEVER:
            return NEVER
        if self._probes:
            return nacks.retry_ms(self._probed_ms)
        if tail is not None:
            return tail.last_ms + TAIL_MS
        return arrival_ms + max(self.interval_ms + TAIL_MS, 1.5 * self.interval_ms)

    def due(
        self,
        tail: Assembly | None,
        arrival_ms: float,
        nacks: NackRequester,
        highest: int,
        now_ms: float,
    ) -> range:
        """The numbers to request now, after the `highest` that came; they count as requested."""
        if self.wake_ms(tail, arrival_ms, nacks) > now_ms:
            return range(0)
        present = len(tail.packets) if tail is not None else 0
        count = min(MAX_PROBED, max(1, math.ceil(self._frame_packets) - present))
        if tail is None and not self._probes:
            count = 1  # the frame may only be late, and all of it would be sent twice
        self._probes += 1
        self._probed_ms = now_ms
        numbers = range(highest + 1, highest + 1 + count)
        nacks.probed(numbers, now_ms, sent=tail is not None)
        return numbers


def incomplete_tail(owners: Mapping[int, Assembly | None], highest: int) -> Assembly | None:
    """The frame that the highest packet belongs to, if its end has not come yet."""
    frame = owners.get(highest)
    if frame is None or frame.finished or frame.last is not None:
        return None
    return frame


def next_present(owners: Mapping[int, Assembly | None], missing: int, highest: int) -> int:
    """The first packet that came after a missing one."""
    behind = range(missing + 1, highest + 1)
    return next((number for number in behind if number in owners), highest + 1)


def is_complete(frame: Assembly, head: int, nacks: NackRequester) -> bool:
    """Whether all of a frame has come, and none of it is before the `head` of the buffer."""
    first, last = frame.first, frame.last
    if first is None or last is None or not head <= first <= last:
        return False
    return not (frame.damaged or nacks.any_between(first, last))


def entry_ahead(
    frames: Iterable[Assembly], head: int, nacks: NackRequester, *, recovery: bool
) -> int | None:
    """The first packet, behind the `head`, of a complete frame at which decoding may begin.

    `recovery`: also at a recovery point; where none is needed, what is missing may still come.
    """
    for frame in frames:
        is_entry = frame.is_entry if recovery else frame.keyframe
        if is_entry and frame.first != head and is_complete(frame, head, nacks):
            return frame.first
    return None


def set_extra_wait(nacks: NackRequester, frames: Iterable[Assembly], needs_keyframe: bool) -> None:
    """A key frame is worth a longer wait: the next would take longer still."""
    for_key = needs_keyframe or any(frame.keyframe for frame in frames)
    nacks.extra_wait_ms = _KEYFRAME_WAIT_MS if for_key else 0.0


def unusable(frames: Collection[Assembly], nacks: NackRequester) -> list[Assembly]:
    """While a key frame is awaited, the frames that are before any that may be arriving."""
    keys = (frame.lowest for frame in frames if frame.is_entry and not frame.damaged)
    key = min(*keys, nacks.run_start(KEY_RUN), NEVER)
    return [each for each in frames if (each.delta or each.damaged) and each.highest < key]


def give_up_inside(
    number: int, nacks: NackRequester, owners: MutableMapping[int, Assembly | None]
) -> bool:
    """While a key frame is awaited, give up packets missing inside of frames given up.

    A run of `KEY_RUN` or more may hold a complete key frame, and is requested. Returns whether the
    run around `number` was given up.
    """
    first = last = number
    while first - 1 in nacks and last - first < KEY_RUN:
        first -= 1
    while last + 1 in nacks and last - first < KEY_RUN:
        last += 1
    before, after = owners.get(first - 1), owners.get(last + 1)
    inside = before is not None and before.finished and after is not None and after.finished
    if not inside or last - first + 1 >= KEY_RUN:
        return False
    for given_up in range(first, last + 1):
        nacks.forget(given_up)
        owners[given_up] = None
    return True
