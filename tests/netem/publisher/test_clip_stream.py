"""Which frame goes when, and how fast its packets leave."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.footage.encoded_clip import EncodedRendition, Rendition
from netem.publisher.clip_stream import ClipStream, FrameToSend

STEP, RUN, TICKS = 4, 8, 12


def encode(long_side: int) -> EncodedRendition:
    """Frames that say which they are: edge, take, index."""
    takes = tuple(
        tuple(f"{long_side}:{take}:{index}".encode() for index in range(RUN))
        for take in range(TICKS // STEP)
    )
    return EncodedRendition(Rendition(long_side, 0.1), long_side, long_side, 1e6, takes)


def stream(long_side: int = 320) -> ClipStream:
    made = ClipStream(STEP, RUN, TICKS)
    made.want(encode(long_side))
    return made


def names(made: ClipStream, ticks: range, waiting_ms: float = 0.0) -> list[str]:
    chosen = [made.at(tick, waiting_ms) for tick in ticks]
    return [each.data.decode() if isinstance(each, FrameToSend) else each for each in chosen]


def test_an_undisturbed_stream_goes_through_whole_takes() -> None:
    assert names(stream(), range(20)) == [
        *(f"320:0:{index}" for index in range(8)),
        *(f"320:2:{index}" for index in range(8)),  # ticks 8 to 15: past the clip's end
        *(f"320:1:{index}" for index in range(4)),
    ]


def test_it_begins_at_a_step() -> None:
    assert names(stream(), range(3, 6)) == ["encoder", "320:1:0", "320:1:1"]


def test_a_switch_waits_for_the_next_step() -> None:
    made = stream()
    assert names(made, range(2)) == ["320:0:0", "320:0:1"]
    made.want(encode(160))
    assert names(made, range(2, 6)) == ["320:0:2", "320:0:3", "160:1:0", "160:1:1"]


def test_a_key_frame_comes_at_the_next_step() -> None:
    made = stream()
    names(made, range(1))
    made.want_keyframe()
    [*_, last] = [made.at(tick, 0.0) for tick in range(1, 5)]
    assert isinstance(last, FrameToSend)
    assert (last.data, last.keyframe) == (b"320:1:0", True)
    assert names(made, range(5, 12))[-1] == "320:1:7"  # and is not asked for twice


@pytest.mark.parametrize(("share", "sent"), [(1.0, 48), (0.75, 36), (0.5, 24), (0.1, 24)])
def test_fewer_frames_are_those_that_no_other_needs(share: float, sent: int) -> None:
    made = stream()
    made.share = share
    chosen = names(made, range(48))
    assert sum(name != "paced" for name in chosen) == sent
    assert all(name != "paced" for name in chosen[::2])


def test_waiting_packets_cost_a_droppable_frame_first() -> None:
    assert names(stream(), range(4), waiting_ms=100.0) == [
        "320:0:0",
        "encoder",
        "320:0:2",
        "encoder",
    ]


def test_after_a_frame_that_others_need_nothing_goes_until_a_key_frame() -> None:
    made = stream()
    names(made, range(2))
    assert names(made, range(2, 3), waiting_ms=1000.0) == ["encoder"]
    assert names(made, range(3, 5)) == ["encoder", "320:1:0"]


@given(st.lists(st.tuples(st.floats(0, 400), st.integers(0, 9)), min_size=1, max_size=60))
def test_what_is_sent_can_be_decoded(ticks: list[tuple[float, int]]) -> None:
    """Each frame follows, in its own take, all those before it that others need."""
    made = stream()
    last: tuple[str, int] | None = None
    for tick, (waiting_ms, action) in enumerate(ticks):
        if action == 0:
            made.want(encode(160 + 32 * (tick % 3)))
        elif action == 1:
            made.want_keyframe()
        elif action == 2:
            made.share = waiting_ms / 400.0
        chosen = made.at(tick, waiting_ms)
        if isinstance(chosen, str):
            continue
        take, _, index_text = chosen.data.decode().rpartition(":")
        index = int(index_text)
        assert chosen.keyframe == (index == 0)
        assert chosen.droppable == (index % 2 == 1)
        if index:
            needed = index - 1 if chosen.droppable else index - 2
            assert last is not None
            assert last == (take, needed)
        if not chosen.droppable:
            last = (take, index)
