"""Every frame's source is found from the camera's pictures, even if the observer missed one."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.footage.camera_file import CameraFile
from netem.results.client_record import ClientRecordError, PictureSequence, by_page, by_publisher

FPS = 10
# Ticks of a clip; frames 7 and 7 are on show twice, as where a video is slower than the camera.
SOURCES = (0, 2, 4, 7, 7, 9, 11, 12)
CAMERA = CameraFile(Path("none.y4m"), SOURCES, {1000 + source: source for source in SOURCES}, FPS)


def seen(places: list[int], begin_ms: float = 500.0) -> list[tuple[float, int, int, int]]:
    return [
        (begin_ms + 100.0 * place, 1000 + SOURCES[place % len(SOURCES)], 64, 48) for place in places
    ]


@given(st.integers(0, 30), st.lists(st.booleans(), min_size=20, max_size=60))
def test_pictures_that_went_unseen_are_counted_from_those_around(
    first: int, kept: list[bool]
) -> None:
    places = [first + step for step, keep in enumerate(kept) if keep or step == 0]
    # Gaps longer than the whole file are ambiguous, and do not occur.
    if max((b - a for a, b in pairwise(places)), default=0) > 4:
        return
    pictures = seen(places)
    sequence = PictureSequence(pictures, CAMERA)
    for place in range(places[0], places[-1] + 1):
        at_ms = 500.0 + 100.0 * place
        found = sequence.place(at_ms + 7.0)
        assert SOURCES[found % len(SOURCES)] == SOURCES[place % len(SOURCES)]
    assert sequence.inferred == places[-1] - places[0] + 1 - len(places)


def test_a_picture_of_another_camera_is_refused() -> None:
    with pytest.raises(ClientRecordError, match="are not the camera's"):
        PictureSequence([*seen([0, 1]), (900.0, 5, 64, 48)], CAMERA)


def line(place: int, **more: Any) -> dict[str, Any]:
    stamp_ms = 500.0 + 100.0 * place
    return {
        "rtp": (4_294_960_000 + 9_000 * place) % (1 << 32),  # wraps at the first
        "stampMs": stamp_ms,
        "captureMs": stamp_ms + 1.0,
        "leftMs": stamp_ms + 5.0,
        "bytes": 900,
        "key": False,
        "width": 64,
        "height": 48,
        "outcome": "in_time",
        "infeasible": False,
        "returnedMs": stamp_ms + 40.0,
        "answer": {"variant": "yolov4-tiny-128", "batch": 1, "boxes": [], "t": {"received": 1.0}},
        **more,
    }


def taken(lines: list[dict[str, Any]], places: list[int]) -> list[tuple[int, float, str]]:
    journal = {"lines": lines, "hints": [], "beyond": 0}
    found = by_page(0, journal, seen(places), CAMERA, session="s", shift_ms=-500.0)
    return [(row.source, row.captured_ms, row.outcome) for row, _ in found.frames]


def test_a_dropped_frame_that_the_page_never_placed_is_placed_by_its_rtp_time() -> None:
    early = line(0, stampMs=None, captureMs=None, outcome="lost", returnedMs=None, answer=None)
    assert taken([early, line(1), line(2)], [0, 1, 2]) == [
        (0, 1.0, "lost"),
        (2, 101.0, "in_time"),
        (4, 201.0, "in_time"),
    ]


def test_a_picture_that_nobody_else_saw_is_a_frame_too() -> None:
    found = taken([line(1), line(3)], [0, 1, 2, 3, 4])
    assert sorted(found, key=lambda frame: frame[1]) == [
        (2, 101.0, "in_time"),
        (4, 201.0, "encoder"),
        (7, 301.0, "in_time"),
    ]


def test_two_frames_of_one_picture_are_noted() -> None:
    journal = {"lines": [line(1), line(1, rtp=5)], "hints": [], "beyond": 0}
    found = by_page(0, journal, seen([0, 1, 2]), CAMERA, session="s", shift_ms=0.0)
    assert len(found.frames) == 2
    assert found.notes == ["client 0: 1 frames share their picture with another frame"]


def test_pictures_close_together_are_distinguished_though_one_was_missed() -> None:
    lines = [line(0), line(1, stampMs=625.0), line(2, stampMs=640.0), line(3)]
    pictures = [(500.0, 1000, 64, 48), (640.0, 1004, 64, 48), (800.0, 1007, 64, 48)]
    journal = {"lines": lines, "hints": [], "beyond": 0}
    found = by_page(0, journal, pictures, CAMERA, session="s", shift_ms=0.0)
    assert [row.source for row, _ in found.frames] == [0, 2, 4, 7]


def test_a_publishers_late_answers_and_late_drops_are_distinguished() -> None:
    def frame(outcome: str | None, returned_ms: float | None) -> dict[str, Any]:
        return {
            "source": 3, "rtp": 9, "captured_ms": 1_000.0, "sent_ms": 1_003.0, "size": (64, 48),
            "bytes": 10, "keyframe": True, "outcome": outcome, "infeasible": False,
            "returned_ms": returned_ms, "variant": None, "batch": None, "boxes": (), "t": None,
        }  # fmt: skip

    record = {
        "epoch_ms": 900.0, "session": "abcdefgh", "reason": None, "hints": [],
        "frames": [frame("late", 1_400.0), frame("late", None), frame("unanswered", None),
                   frame(None, None), frame("in_time", 1_050.0)],
    }  # fmt: skip
    rows = [row for row, _ in by_publisher(2, record).frames]
    assert [row.outcome for row in rows] == ["late", "hopeless", "lost", "lost", "in_time"]
    assert [row.returned_ms for row in rows] == [500.0, None, None, None, 150.0]
    assert {(row.client, row.session, row.captured_ms) for row in rows} == {(2, "abcdef", 100.0)}
