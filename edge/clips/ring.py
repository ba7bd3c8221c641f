"""The last seconds of a session's encoded frames, from a key frame on. Pure."""

from __future__ import annotations

from collections import deque

from edge.clips.frame import ClipFrame


class EncodedRing:
    """Groups of frames, each of which begins where decoding can.

    Bounds: `max_bytes`, and the group that covers the last `keep_ms`, which may be `max_ms` long.
    Drop rule: the oldest group; the only one, once it exceeds a bound, is dropped as a whole, and
    frames are kept again from the next key frame on.
    """

    def __init__(self, *, keep_ms: float, max_ms: float, max_bytes: int) -> None:
        self._keep_ms, self._max_ms, self._max_bytes = keep_ms, max_ms, max_bytes
        self._groups: deque[list[ClipFrame]] = deque()
        self._sizes: deque[int] = deque()
        self._bytes = 0
        self.outgrown = 0
        """Groups that were dropped because they exceeded the bounds by themselves."""

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    @property
    def bytes(self) -> int:
        return self._bytes

    @property
    def newest_entry_ms(self) -> float | None:
        """When the last key frame came; None: there is none."""
        return self._groups[-1][0].received_ms if self._groups else None

    @property
    def newest_group_bytes(self) -> int:
        return self._sizes[-1] if self._sizes else 0

    def add(self, frame: ClipFrame) -> None:
        if frame.is_entry:
            self._groups.append([])
            self._sizes.append(0)
        elif not self._groups:
            return
        self._groups[-1].append(frame)
        self._sizes[-1] += len(frame.data)
        self._bytes += len(frame.data)
        kept_from_ms = frame.received_ms - self._keep_ms
        while len(self._groups) > 1 and (
            self._groups[1][0].received_ms <= kept_from_ms or self._bytes > self._max_bytes
        ):
            self._drop()
        if self._bytes > self._max_bytes or (
            frame.received_ms - self._groups[0][0].received_ms > self._max_ms
        ):
            self._drop()
            self.outgrown += not self._groups

    def since(self, from_ms: float) -> list[ClipFrame]:
        """From the last key frame that had come by then, or from the first that there is."""
        first = 0
        for number, group in enumerate(self._groups):
            if group[0].received_ms <= from_ms:
                first = number
        return [frame for group in list(self._groups)[first:] for frame in group]

    def clear(self) -> None:
        self._groups.clear()
        self._sizes.clear()
        self._bytes = 0

    def _drop(self) -> None:
        self._groups.popleft()
        self._bytes -= self._sizes.popleft()
