"""Waiting frames: two a session at most, by deadline, expiring one by one."""

from __future__ import annotations

import math
import random

from edge.batching.latency_options import LatencyOption, LatencyOptions
from edge.batching.list_schedule import WaitingFrame
from edge.batching.mailbox import Mailbox
from edge.batching.request import FrameRequest

OPTIONS = LatencyOptions((LatencyOption("v", (32, 32)),))


def put(
    mailbox: Mailbox, session: str, deadline_ms: float, latest_start_ms: float = 50.0
) -> WaitingFrame:
    request = FrameRequest(session, 0, (32, 32), 0.0, deadline_ms, ("v",))
    mailbox.put(
        request,
        OPTIONS,
        end_by_ms=deadline_ms,
        latest_start_ms=latest_start_ms,
        superseded_ms=math.inf,
    )
    frame = mailbox.newest(session)
    assert frame is not None
    assert frame.request is request
    return frame


def test_frames_come_by_deadline_whatever_the_order() -> None:
    mailbox = Mailbox()
    deadlines_ms = [float(ms) for ms in range(50)]
    random.Random(1).shuffle(deadlines_ms)
    for index, deadline_ms in enumerate(deadlines_ms):
        put(mailbox, str(index), deadline_ms)
    found = [frame.request.deadline_ms for frame in mailbox.by_deadline(5)]
    assert found == [0.0, 1.0, 2.0, 3.0, 4.0]
    later = [frame.request.deadline_ms for frame in mailbox.by_deadline(3, from_ms=40.5)]
    assert later == [41.0, 42.0, 43.0]


def test_both_frames_of_a_session_wait_where_the_older_is_kept() -> None:
    mailbox = Mailbox()
    older = put(mailbox, "a", 100.0)
    mailbox.keep_both("a")
    newest = put(mailbox, "a", 120.0)
    assert (mailbox.older("a"), mailbox.newest("a"), len(mailbox)) == (older, newest, 2)
    mailbox.remove(newest)
    assert (mailbox.older("a"), mailbox.newest("a"), len(mailbox)) == (older, None, 1)
    assert older in mailbox
    assert newest not in mailbox


def test_of_frames_with_one_deadline_the_right_one_is_removed() -> None:
    mailbox = Mailbox()
    frames = [put(mailbox, session, 100.0) for session in "abc"]
    mailbox.remove(frames[1])
    assert mailbox.by_deadline(9) == [frames[0], frames[2]]


def test_a_frame_expires_after_its_latest_start_and_only_while_it_waits() -> None:
    mailbox = Mailbox()
    gone, waiting = put(mailbox, "a", 100.0, 40.0), put(mailbox, "b", 100.0, 50.0)
    mailbox.remove(gone)
    assert mailbox.next_expiry_ms == 50.0
    assert mailbox.pop_expired(50.0) is None
    assert mailbox.pop_expired(50.1) is waiting
    assert mailbox.pop_expired(99.0) is None  # each once, unless it gets another time
    mailbox.expire_at(waiting, 80.0)
    assert mailbox.next_expiry_ms == 80.0
    mailbox.remove(waiting)
    assert math.isinf(mailbox.next_expiry_ms)


def test_expiries_of_frames_that_left_do_not_pile_up() -> None:
    mailbox = Mailbox()
    for _ in range(1000):
        mailbox.remove(put(mailbox, "a", 100.0))
    assert len(mailbox._expiries) < 100
