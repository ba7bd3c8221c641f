"""A client's record of its frames: rows with times on this machine's monotonic clock."""

from __future__ import annotations

import statistics
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from netem.footage.camera_file import CameraFile
from netem.results.rows import ENCODER, LATE, LOST, FrameRow, HintRow

_TICKS_A_MS = 90
_SAME_MS = 8.0  # closer timestamps are the same picture: RTP times are whole milliseconds


class ClientRecordError(Exception):
    """A client's record is inconsistent; the message gives the reason."""


@dataclass(slots=True)
class ClientRecord:
    """A client's frames in order of capture, each with its answer's boxes, and its hints."""

    session: str = ""
    frames: list[tuple[FrameRow, Sequence[Sequence[Any]]]] = field(default_factory=list)
    hints: list[HintRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def by_page(
    client: int,
    journal: Mapping[str, Any],
    pictures: Sequence[tuple[float, int, int, int]],
    camera: CameraFile,
    *,
    session: str,
    shift_ms: float,
) -> ClientRecord:
    """From the page's journal and the pictures seen by its observer: (timestamp, fingerprint,
    width, height) each. `shift_ms` is this machine's monotonic clock minus the page's.

    Raises ClientRecordError if a picture is not one of the camera's. Frames whose source is
    ambiguous are noted.
    """
    if journal["beyond"]:
        raise ClientRecordError(f"{journal['beyond']} frames did not fit into the page's journal")
    written = ClientRecord(session)
    lines = [*journal["lines"]]
    _stamp(lines)
    sequence = PictureSequence(pictures, camera)
    late_by_ms = statistics.median(
        [line["captureMs"] - line["stampMs"] for line in lines if line["captureMs"] is not None]
        or [0.0]
    )
    seen: set[int] = set()
    doubtful = 0
    for line in sorted(lines, key=lambda line: line["stampMs"]):
        place = sequence.place(line["stampMs"])
        doubtful += place in seen
        seen.add(place)
        source = camera.sources[place % len(camera.sources)]
        row = _row(client, session, source, line, late_by_ms=late_by_ms, shift_ms=shift_ms)
        written.frames.append((row, (line["answer"] or {}).get("boxes") or ()))
    for stamp, place in sequence.between(min(seen, default=0), max(seen, default=0)):
        if place not in seen:  # captured, but missed by encoder and page
            captured_ms = stamp + late_by_ms + shift_ms
            source = camera.sources[place % len(camera.sources)]
            written.frames.append((_blank(client, session, source, captured_ms, ENCODER), ()))
    if doubtful:
        written.notes.append(
            f"client {client}: {doubtful} frames share their picture with another frame"
        )
    if sequence.inferred:
        written.notes.append(
            f"client {client}: {sequence.inferred} frames identified by their neighbours"
        )
    for message in journal["hints"]:
        written.hints.append(_hint(client, message["hint"], message["heardMs"] + shift_ms))
    return written


class PictureSequence:
    """The position of each picture in a camera file that repeats endlessly, by fingerprints.

    A camera file delivers its pictures in order, so a picture that the observer missed is
    identified by counting from the ones before and after it.
    """

    def __init__(self, pictures: Sequence[tuple[float, int, int, int]], camera: CameraFile) -> None:
        unknown = sum(key not in camera.fingerprints for _, key, _, _ in pictures)
        if unknown or not pictures:
            raise ClientRecordError(f"{unknown} of {len(pictures)} pictures are not the camera's")
        self.inferred = 0
        self._interval_ms = 1000.0 / camera.fps
        self._stamps = [stamp for stamp, *_ in pictures]
        self._turn = len(camera.sources)
        self._at: dict[int, list[int]] = {}
        """Positions in the file by source frame: several where a video stands still."""
        for place, source in enumerate(camera.sources):
            self._at.setdefault(source, []).append(place)
        sources = [camera.fingerprints[key] for _, key, *_ in pictures]
        rolls = [self._unroll(first, sources) for first in self._at[sources[0]]]
        _, self._places = min(rolls)

    def _unroll(self, first: int, sources: Sequence[int]) -> tuple[int, list[int]]:
        """(deviation, positions) of all pictures seen if the first is at `first`.

        The deviation sums the distances from the positions that the timestamps suggest.
        """
        places, off = [first], 0
        for (one_ms, other_ms), source in zip(pairwise(self._stamps), sources[1:], strict=True):
            before = places[-1]
            expected = before + max(1, round((other_ms - one_ms) / self._interval_ms))
            # Of the positions of this source frame in any repetition, the nearest to the expected.
            candidates = [
                place + self._turn * around
                for place in self._at[source]
                for around in range((before - place) // self._turn, expected // self._turn + 2)
            ]
            later = [place for place in candidates if place > before]
            places.append(min(later, key=lambda place: abs(place - expected)))
            off += abs(places[-1] - expected)
        return off, places

    def between(self, first: int, last: int) -> Iterator[tuple[float, int]]:
        """(timestamp, position) of the pictures seen between two positions, inclusive."""
        for stamp, place in zip(self._stamps, self._places, strict=True):
            if first <= place <= last:
                yield stamp, place

    def place(self, stamp: float) -> int:
        """The position of the picture with about this timestamp."""
        after = bisect_left(self._stamps, stamp)
        near = [i for i in (after - 1, after) if 0 <= i < len(self._stamps)]
        best = min(near, key=lambda i: abs(self._stamps[i] - stamp))
        off_ms = stamp - self._stamps[best]
        if abs(off_ms) <= _SAME_MS:
            return self._places[best]
        if len(near) == 1:  # before the first picture seen, or after the last
            self.inferred += 1
            steps = max(1, round(abs(off_ms) / self._interval_ms))
            return self._places[best] + (steps if off_ms > 0.0 else -steps)
        between = self._places[after] - self._places[after - 1]
        if between == 1:  # no picture in between: the timestamp was off by more
            return self._places[best]
        self.inferred += 1
        gap_ms = self._stamps[after] - self._stamps[after - 1]
        steps = round((stamp - self._stamps[after - 1]) / gap_ms * between)
        return self._places[after - 1] + min(max(steps, 1), between - 1)


def _stamp(lines: Sequence[dict[str, Any]]) -> None:
    """Set the missing picture timestamps (of frames that ended before the page learnt them) from
    RTP times, which advance at the same rate."""
    known = [line for line in lines if line["stampMs"] is not None and line["rtp"] is not None]
    for line in lines:
        if line["stampMs"] is None:
            if not known:
                raise ClientRecordError("no frame in the page's journal has a picture timestamp")
            near = min(known, key=lambda other: abs(_ticks(line, other)))
            line["stampMs"] = near["stampMs"] + _ticks(line, near) / _TICKS_A_MS


def _ticks(line: Mapping[str, Any], since: Mapping[str, Any]) -> int:
    """RTP time between two frames, whatever wraps."""
    return int((line["rtp"] - since["rtp"] + (1 << 31)) % (1 << 32) - (1 << 31))


def by_publisher(client: int, record: Mapping[str, Any]) -> ClientRecord:
    """From one client's record in the output of `python -m netem publish --json`."""
    epoch_ms = record["epoch_ms"]
    session = (record["session"] or "")[:6]
    written = ClientRecord(session)
    for frame in record["frames"]:
        answered = frame["returned_ms"] is not None
        outcome = frame["outcome"] or LOST
        if outcome == "unanswered":
            outcome = LOST
        elif outcome == LATE and not answered:
            outcome = "hopeless"
        t = frame["t"] or {}
        row = _blank(client, session, frame["source"], frame["captured_ms"] - epoch_ms, outcome)
        row.rtp = frame["rtp"]
        row.sent_ms = None if frame["sent_ms"] is None else frame["sent_ms"] - epoch_ms
        row.returned_ms = frame["returned_ms"] - epoch_ms if answered else None
        if frame["size"] is not None:
            row.width, row.height = frame["size"]
            row.bytes, row.key = frame["bytes"], frame["keyframe"]
        row.variant, row.batch = frame["variant"] or "", frame["batch"]
        row.infeasible = frame["infeasible"]
        _server_times(row, t)
        written.frames.append((row, frame["boxes"]))
    for hint in record["hints"]:
        written.hints.append(_hint(client, hint, hint["at_ms"] - epoch_ms))
    if record["reason"] not in (None, "stopped"):
        written.notes.append(f"client {client}: ended early: {record['reason']}")
    return written


def _row(
    client: int,
    session: str,
    source: int,
    line: Mapping[str, Any],
    *,
    late_by_ms: float,
    shift_ms: float,
) -> FrameRow:
    captured_ms = line["captureMs"]
    if captured_ms is None:
        captured_ms = line["stampMs"] + late_by_ms
    row = _blank(client, session, source, captured_ms + shift_ms, line["outcome"] or LOST)
    row.rtp, row.infeasible = line["rtp"], line["infeasible"]
    row.sent_ms = None if line["leftMs"] is None else line["leftMs"] + shift_ms
    row.width, row.height = line["width"], line["height"]
    row.bytes, row.key = line["bytes"], line["key"]
    if line["returnedMs"] is not None:
        row.returned_ms = line["returnedMs"] + shift_ms
        answer = line["answer"] or {}
        row.variant, row.batch = answer.get("variant", ""), answer.get("batch")
        _server_times(row, answer.get("t") or {})
    return row


def _blank(client: int, session: str, source: int, captured_ms: float, outcome: str) -> FrameRow:
    return FrameRow(
        client=client,
        session=session,
        source=source,
        rtp=None,
        captured_ms=captured_ms,
        sent_ms=None,
        received_ms=None,
        decoded_ms=None,
        dispatched_ms=None,
        inferred_ms=None,
        returned_ms=None,
        width=None,
        height=None,
        bytes=None,
        key=None,
        variant="",
        batch=None,
        outcome=outcome,
        infeasible=False,
        measured=False,
        truth=0,
        found=None,
        matched=None,
        f1_simulated=0.0,
    )


def _server_times(row: FrameRow, t: Mapping[str, float]) -> None:
    row.received_ms, row.decoded_ms = t.get("received"), t.get("decoded")
    row.dispatched_ms, row.inferred_ms = t.get("dispatched"), t.get("inferred")


def _hint(client: int, hint: Mapping[str, Any], at_ms: float) -> HintRow:
    return HintRow(
        at_ms=at_ms,
        client=client,
        seq=int(hint["seq"]),
        max_edge=int(hint["max_edge"]),
        fps=float(hint["fps"]),
        max_bps=int(hint["max_bps"]),
        variant=str(hint["variant"]),
        reason=str(hint["reason"]),
    )
