"""What a client took down of its frames: rows with times on this machine's monotonic clock."""

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
_SAME_MS = 8.0  # timestamps that are nearer are of one picture: RTP times are whole milliseconds


class ClientRecordError(Exception):
    """What a client took down can't be right; the message says why."""


@dataclass(slots=True)
class ClientRecord:
    """A client's frames in the order of their capture, each with its answer's boxes, and hints."""

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
    """From the page's journal, and from the pictures that its observer saw: (timestamp, print,
    width, height) each. `shift_ms` takes the page's clock to ours.

    Raises ClientRecordError if a picture is not one of the camera's. Frames whose source is
    ambiguous are noted.
    """
    if journal["beyond"]:
        raise ClientRecordError(f"{journal['beyond']} frames found no room in the page's journal")
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
        if place not in seen:  # captured, and neither encoded nor seen by a page that was busy
            captured_ms = stamp + late_by_ms + shift_ms
            source = camera.sources[place % len(camera.sources)]
            written.frames.append((_blank(client, session, source, captured_ms, ENCODER), ()))
    if doubtful:
        written.notes.append(
            f"client {client}: {doubtful} frames of a picture that another has too"
        )
    if sequence.inferred:
        written.notes.append(
            f"client {client}: {sequence.inferred} frames told by those around them"
        )
    for message in journal["hints"]:
        written.hints.append(_hint(client, message["hint"], message["heardMs"] + shift_ms))
    return written


class PictureSequence:
    """Which picture of an endless sequence of film was written when: by the prints of those seen.

    A camera file delivers its pictures one after the other. One that the observer was too busy to
    see is counted from those before and after it, and must fit in between.
    """

    def __init__(self, pictures: Sequence[tuple[float, int, int, int]], camera: CameraFile) -> None:
        unknown = sum(key not in camera.prints for _, key, _, _ in pictures)
        if unknown or not pictures:
            raise ClientRecordError(
                f"{unknown} of {len(pictures)} pictures are none of the camera's"
            )
        self.inferred = 0
        self._interval_ms = 1000.0 / camera.fps
        self._stamps = [stamp for stamp, *_ in pictures]
        self._turn = len(camera.sources)
        self._at: dict[int, list[int]] = {}
        """Places on one turn of the film, by source frame: several where a video stands still."""
        for place, source in enumerate(camera.sources):
            self._at.setdefault(source, []).append(place)
        sources = [camera.prints[key] for _, key, *_ in pictures]
        rolls = [self._unroll(first, sources) for first in self._at[sources[0]]]
        _, self._places = min(rolls)

    def _unroll(self, first: int, sources: Sequence[int]) -> tuple[int, list[int]]:
        """The places of all pictures seen, if the first was there; before them, how far they are
        from where the time between them has them."""
        places, off = [first], 0
        for (one_ms, other_ms), source in zip(pairwise(self._stamps), sources[1:], strict=True):
            before = places[-1]
            expected = before + max(1, round((other_ms - one_ms) / self._interval_ms))
            # Of the places with this source frame, in whatever turn, that nearest to the expected.
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
        """Timestamp and place of the pictures seen from one place to another."""
        for stamp, place in zip(self._stamps, self._places, strict=True):
            if first <= place <= last:
                yield stamp, place

    def place(self, stamp: float) -> int:
        """Of the picture with this timestamp, give or take what the page's estimate may be off."""
        after = bisect_left(self._stamps, stamp)
        near = [i for i in (after - 1, after) if 0 <= i < len(self._stamps)]
        best = min(near, key=lambda i: abs(self._stamps[i] - stamp))
        off_ms = stamp - self._stamps[best]
        if abs(off_ms) <= _SAME_MS:
            return self._places[best]
        if len(near) == 1:  # before the first that was seen, or after the last
            self.inferred += 1
            steps = max(1, round(abs(off_ms) / self._interval_ms))
            return self._places[best] + (steps if off_ms > 0.0 else -steps)
        between = self._places[after] - self._places[after - 1]
        if between == 1:  # there is no picture in between: the estimate was off by more
            return self._places[best]
        self.inferred += 1
        gap_ms = self._stamps[after] - self._stamps[after - 1]
        steps = round((stamp - self._stamps[after - 1]) / gap_ms * between)
        return self._places[after - 1] + min(max(steps, 1), between - 1)


def _stamp(lines: Sequence[dict[str, Any]]) -> None:
    """Gives a picture's timestamp to frames that were over before the page knew it: RTP times run
    as the pictures' do."""
    known = [line for line in lines if line["stampMs"] is not None and line["rtp"] is not None]
    for line in lines:
        if line["stampMs"] is None:
            if not known:
                raise ClientRecordError("the page never learnt which picture was sent when")
            near = min(known, key=lambda other: abs(_ticks(line, other)))
            line["stampMs"] = near["stampMs"] + _ticks(line, near) / _TICKS_A_MS


def _ticks(line: Mapping[str, Any], since: Mapping[str, Any]) -> int:
    """RTP time between two frames, whatever wraps."""
    return int((line["rtp"] - since["rtp"] + (1 << 31)) % (1 << 32) - (1 << 31))


def by_publisher(client: int, record: Mapping[str, Any]) -> ClientRecord:
    """From what `python -m netem publish --json` says of one client."""
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
        written.notes.append(f"client {client}: ended by itself: {record['reason']}")
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
