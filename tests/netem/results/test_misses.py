"""Misses: grouped into episodes, each with the cause that the rows show."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest

from netem.results.misses import GAP_MS, by_cause, episodes
from netem.results.rows import FrameRow, HintRow, LinkRow
from tests.netem.results.test_run_folder import FRAME

SLO_MS = [100.0]
INTERVAL_MS = 66.0


def frames(count: int = 60, **changes: dict[int, dict[str, object]]) -> list[FrameRow]:
    """Frames of 4 kB at 15 a second, in time; `at` changes single ones by their number."""
    rows = []
    for number in range(count):
        captured_ms = INTERVAL_MS * number
        row = dataclasses.replace(
            FRAME, client=0, captured_ms=captured_ms, sent_ms=captured_ms + 10,
            received_ms=captured_ms + 30, inferred_ms=captured_ms + 45,
            returned_ms=captured_ms + 55, bytes=4_000, key=False,
        )  # fmt: skip
        rows.append(dataclasses.replace(row, **changes.get("at", {}).get(number, {})))  # type: ignore[arg-type]
    return rows


def links(**columns: Sequence[float]) -> list[LinkRow]:
    """The link each 50 ms: 2 Mbit/s, empty; a column's values replace the first ones."""
    rows = [LinkRow(50.0 * n, 0, 2e6, 0, 0, 0, 0) for n in range(100)]
    for name, values in columns.items():
        for row, value in zip(rows, values, strict=False):
            setattr(row, name, value)
    return rows


def missed(outcome: str = "lost", **more: object) -> dict[str, object]:
    return {"outcome": outcome, "received_ms": None, "returned_ms": None, **more}


@pytest.mark.parametrize(
    ("cause", "at", "columns"),
    [
        ("encoder", {40: missed("encoder", sent_ms=None, bytes=None)}, {}),
        ("encoder", {40: {"outcome": "late", "sent_ms": 2_640.0 + 51, "received_ms": 2_720.0}}, {}),
        ("server", {40: missed("no_plan")}, {}),
        ("server", {40: missed("superseded", received_ms=2_660.0)}, {}),
        ("server", {40: {"outcome": "late", "inferred_ms": 2_800.0, "returned_ms": 2_810.0}}, {}),
        ("return path", {40: {"outcome": "late", "returned_ms": 2_800.0}}, {}),
        ("link dip", {40: missed()}, {"rate_bps": [2e6] * 53 + [1e6]}),
        ("large key frame", {40: missed(bytes=24_000, key=True)}, {}),
        ("large frame", {39: {"bytes": 24_000}, 40: missed()}, {}),  # the one before fills the link
        ("large frame", {40: missed(bytes=24_000)}, {"dropped": [0] * 53 + [9] * 47}),
        ("queue overflow", {40: missed()}, {"dropped": [0] * 53 + [9] * 47}),
        ("loss", {40: missed()}, {"lost": [0] * 53 + [1] * 47}),
        ("queue", {40: missed()}, {"backlog_bytes": [0] * 50 + [25_000] * 50}),
        ("unexplained", {40: missed()}, {}),
        ("unexplained", {40: missed()}, {"dropped": [7] * 100}),  # long before
    ],
)
def test_the_first_frame_of_an_episode_shows_its_cause(
    cause: str, at: dict[int, dict[str, object]], columns: dict[str, Sequence[float]]
) -> None:
    [episode] = episodes(frames(at=at), links(**columns), [], SLO_MS)
    assert episode.cause == cause
    assert len(episode.frames) == 1


def test_misses_that_follow_belong_to_the_episode_and_later_ones_do_not() -> None:
    at = {
        20: missed(bytes=30_000),
        21: missed("superseded"),
        24: missed(bytes=16_000, key=True),
        45: missed("no_plan"),
    }
    first, second = episodes(frames(at=at), links(), [], SLO_MS)
    assert [first.cause, second.cause] == ["large frame", "server"]
    assert first.outcomes == {"lost": 2, "superseded": 1}
    assert first.lasted_ms == 4 * INTERVAL_MS < GAP_MS
    assert first.leading.bytes == 30_000
    assert by_cause([first, second]) == [("large frame", 1, 3), ("server", 1, 1)]


def test_what_was_asked_for_cannot_cross_or_was_not_measured_is_no_miss() -> None:
    at = {
        20: missed("paced"),
        30: missed(infeasible=True),
        40: missed(measured=False),
    }
    assert episodes(frames(at=at), links(), [], SLO_MS) == []
    [episode] = episodes(frames(at=at), links(), [], SLO_MS, infeasible=True)
    assert episode.began_ms == 30 * INTERVAL_MS


def test_an_episode_has_the_hints_around_it_and_its_link() -> None:
    hints = [
        HintRow(at_ms, 0, n, 416, 15.0, 800_000, "yolov4-tiny-416", "")
        for n, at_ms in enumerate([1_500.0, 2_000.0, 2_640.0, 2_700.0])
    ]
    backlog = [0] * 50 + [25_000] * 50
    [episode] = episodes(frames(at={40: missed()}), links(backlog_bytes=backlog), hints, SLO_MS)
    assert [hint.seq for hint in episode.hints] == [1, 2]
    assert episode.link is not None
    assert episode.link.queue_ms == pytest.approx(100.0)


def test_without_rows_of_the_link_a_cause_is_still_found() -> None:
    [episode] = episodes(frames(at={40: missed(bytes=24_000)}), [], [], SLO_MS)
    assert (episode.cause, episode.link) == ("large frame", None)
