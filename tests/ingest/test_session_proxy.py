"""The server's end of a session in another process: requests, replies, event streams, loss."""

from __future__ import annotations

import pytest

from edge.ingest.messages import (
    AddCandidates,
    CloseSession,
    Message,
    OpenSession,
    Reply,
    SetAssignment,
    Subscribe,
    TakePicture,
    Unsubscribe,
)
from edge.ingest.session_proxy import IngestLostError, SessionProxy
from edge.ipc.messages import MessageError
from edge.rtc.sdp import SdpError
from edge.scheduling.assignment import Assignment, SessionSnapshot
from edge.session.interface import SessionIdentity, SessionOptions
from edge.session.registry.full_error import FullError
from edge.session.results.result_streams import STREAMS, TooManyStreamsError

SNAPSHOT = SessionSnapshot("session-id", 100.0, 15.0, (416, 234), 33.5, True, 1e6, 416)


class FakeHost:
    """An ingest process that replies with `reply`, or raises it."""

    def __init__(self) -> None:
        self.reply: Reply | Exception = Reply(0)
        self.sent: list[Message] = []
        self.left: list[SessionProxy] = []

    def send(self, message: Message) -> None:
        self.sent.append(message)

    async def request(
        self, message: OpenSession | AddCandidates | CloseSession | TakePicture
    ) -> Reply:
        self.sent.append(message)
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply

    def leave(self, session: SessionProxy) -> None:
        self.left.append(session)


class SessionProxyStage:
    def __init__(self) -> None:
        self.host = FakeHost()
        self.close_requests: list[tuple[str, str]] = []
        self.options = SessionOptions(label="door")
        self.session = SessionProxy(
            self.host,
            self.options,
            identity=SessionIdentity("session-id", "etag"),
            snapshot=SNAPSHOT,
            on_close_request=lambda session, reason, code: self.close_requests.append(
                (reason, code)
            ),
        )


@pytest.fixture
def stage() -> SessionProxyStage:
    return SessionProxyStage()


async def test_an_offer_is_sent_with_its_options_and_answered(stage: SessionProxyStage) -> None:
    stage.host.reply = Reply(1, "v=0 answer")
    assert await stage.session.answer("v=0 offer") == "v=0 answer"
    assert stage.host.sent == [OpenSession(0, "session-id", "etag", stage.options, "v=0 offer")]


@pytest.mark.parametrize(
    ("reply", "error", "code"),
    [
        (Reply(1, "no video", "bad_sdp"), SdpError, "bad_sdp"),
        (MessageError("too long"), SdpError, "bad_sdp"),
        (IngestLostError("it was killed"), FullError, "lost"),
    ],
)
async def test_an_offer_that_fails_is_an_error_with_its_code(
    stage: SessionProxyStage, reply: Reply | Exception, error: type[SdpError | FullError], code: str
) -> None:
    stage.host.reply = reply
    with pytest.raises(error) as raised:
        await stage.session.answer("v=0")
    assert isinstance(raised.value, SdpError | FullError)
    assert raised.value.code == code


async def test_candidates_for_a_lost_process_are_ignored_and_bad_ones_refused(
    stage: SessionProxyStage,
) -> None:
    stage.host.reply = IngestLostError("it was killed")
    await stage.session.add_candidates("a=candidate")
    for reply in (Reply(1, "no candidates", "bad_candidates"), MessageError("too long")):
        stage.host.reply = reply
        with pytest.raises(SdpError) as raised:
            await stage.session.add_candidates("a=candidate")
        assert raised.value.code == "bad_candidates"


def test_an_assignment_is_sent_only_when_it_changes(stage: SessionProxyStage) -> None:
    one = Assignment("yolov4-tiny-416", 416, 1e6, 0.1, "test")
    other = Assignment("yolov4-tiny-320", 320, 1e6, 0.1, "test")
    for assignment in (one, one, other, one):
        stage.session.assign(assignment, 0.0)
    assert stage.host.sent == [SetAssignment("session-id", each) for each in (one, other, one)]


async def test_event_streams_get_their_own_texts_and_end_with_the_session(
    stage: SessionProxyStage,
) -> None:
    with stage.session.subscribe() as first, stage.session.subscribe() as second:
        one, other = (each.stream for each in stage.host.sent if isinstance(each, Subscribe))
        stage.session.handle_text(one, "to the first")
        stage.session.handle_text(other, "to the second")
        stage.session.handle_text(max(one, other) + 1, "to nobody")
        assert first.get_nowait() == "to the first"
        assert second.get_nowait() == "to the second"
        stage.host.reply = Reply(1, outcomes={"answered": 3})
        await stage.session.close("test")
        assert first.get_nowait() is None
        assert second.get_nowait() is None
    assert stage.host.sent[-1] == Unsubscribe(one)
    assert stage.session.outcomes == {"answered": 3}
    assert stage.host.left == [stage.session]
    with stage.session.subscribe() as late:
        assert late.get_nowait() is None  # the session has ended


def test_a_stream_counts_what_its_process_has_lost(stage: SessionProxyStage) -> None:
    with stage.session.subscribe() as queue:
        [stream] = (each.stream for each in stage.host.sent if isinstance(each, Subscribe))
        for skipped in (0, 3, 3, 5):
            stage.session.handle_text(stream, "text", skipped)
        assert queue.skipped == 5
        stage.session.handle_text(stream, None)
        assert queue.skipped == 5


def test_a_follower_is_called_at_once_until_it_leaves(stage: SessionProxyStage) -> None:
    heard: list[tuple[str | None, int]] = []
    leave = stage.session.follow(lambda text, skipped: heard.append((text, skipped)))
    [subscribe] = stage.host.sent
    assert isinstance(subscribe, Subscribe)
    stage.session.handle_text(subscribe.stream, "one", 2)
    assert heard == [("one", 2)]
    leave()
    leave()
    stage.session.handle_text(subscribe.stream, "two")
    assert heard == [("one", 2)]
    assert stage.host.sent == [subscribe, Unsubscribe(subscribe.stream)]


def test_event_streams_are_bounded(stage: SessionProxyStage) -> None:
    streams = [stage.session.subscribe() for _ in range(STREAMS)]
    for stream in streams:
        stream.__enter__()
    with pytest.raises(TooManyStreamsError), stage.session.subscribe():
        pass
    for stream in streams:
        stream.__exit__(None, None, None)
    with stage.session.subscribe():
        pass


async def test_a_lost_process_ends_its_session_as_a_timeout(stage: SessionProxyStage) -> None:
    with stage.session.subscribe() as queue:
        stage.session.handle_lost("its ingest process was lost: it was killed")
        assert queue.get_nowait() is None
    assert stage.close_requests == [("its ingest process was lost: it was killed", "timeout")]
    stage.host.reply = IngestLostError("it was killed")
    assert await stage.session.last_picture() is None
    await stage.session.close("lost")  # without a process to reply
    assert stage.host.left == [stage.session]
