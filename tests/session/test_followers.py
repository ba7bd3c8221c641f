"""Every session's results, for readers within the server; sessions are stand-ins."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from edge.session.followers import Followers
from edge.session.registry.session_registry import SessionRegistry
from edge.session.results.result_streams import Listener, ResultStreams

BYE = '{"type":"bye","code":"ended","message":"over"}'


class FollowedSession:
    def __init__(self, name: str, limit: int = 5) -> None:
        self.id = self.name = name
        self.label = f"label of {name}"
        self.connected = True
        self.streams = ResultStreams(limit)

    def follow(self, listener: Listener) -> Callable[[], None]:
        return self.streams.follow("welcome", listener)


class LossySession(FollowedSession):
    """In another process, whose messages may be lost on their way."""

    listener: Listener

    def follow(self, listener: Listener) -> Callable[[], None]:
        self.listener = listener
        return lambda: None


class Reader:
    def __init__(self) -> None:
        self.wants_results = True
        self.messages: list[tuple[str, str, str]] = []
        self.skipped: list[tuple[str, int]] = []

    def put(self, session: str, label: str, text: str) -> None:
        self.messages.append((session, label, text))

    def skip(self, label: str, count: int) -> None:
        self.skipped.append((label, count))


class FailingReader(Reader):
    def put(self, session: str, label: str, text: str) -> None:
        raise ZeroDivisionError


def following(sessions: list[FollowedSession], *readers: Reader) -> Followers:
    return Followers(cast(SessionRegistry, sessions), [*readers])


def test_all_readers_get_all_sessions_messages() -> None:
    one, other = FollowedSession("a"), FollowedSession("b")
    readers = Reader(), Reader()
    followers = following([one, other], *readers)
    followers.refresh()
    followers.refresh()  # follows nobody twice
    one.streams.put("hello")
    for reader in readers:
        assert reader.messages[2:] == [("a", "label of a", "hello")]
    followers.close()
    one.streams.put("unheard")
    assert len(readers[0].messages) == 3


def test_nobody_is_followed_while_no_reader_wants() -> None:
    session, reader = FollowedSession("a"), Reader()
    reader.wants_results = False
    followers = following([session], reader)
    followers.refresh()
    assert len(session.streams) == 0
    reader.wants_results = True
    followers.refresh()
    assert len(session.streams) == 1
    reader.wants_results = False
    followers.refresh()
    assert len(session.streams) == 0


def test_a_session_whose_streams_are_taken_is_tried_again() -> None:
    session, reader = FollowedSession("a", limit=1), Reader()
    followers = following([session], reader)
    with session.streams.open("somebody else's"):
        followers.refresh()
        assert reader.messages == []
    followers.refresh()
    assert reader.messages == [("a", "label of a", "welcome")]


def test_messages_lost_on_the_way_are_counted() -> None:
    session, reader = LossySession("a"), Reader()
    followers = following([session], reader)
    followers.refresh()
    for number, skipped in enumerate((0, 6, 6, 7)):
        session.listener(str(number), skipped)
    assert [text for _, _, text in reader.messages] == ["0", "1", "2", "3"]
    assert reader.skipped == [("label of a", 6), ("label of a", 1)]


def test_a_session_has_one_end_whether_it_says_so_or_not() -> None:
    said, silent, reader = FollowedSession("a"), FollowedSession("b"), Reader()
    sessions = [said, silent]
    followers = following(sessions, reader)
    followers.refresh()
    said.streams.put(BYE)
    for each in (said, silent):
        each.streams.end()
        each.streams.end()
    followers.refresh()
    sessions.clear()
    followers.refresh()
    followers.close()
    ends = {session: text for session, _, text in reader.messages[2:]}
    assert ends["a"] == BYE
    assert '"code":"timeout"' in ends["b"]
    assert len(reader.messages) == 4


def test_a_session_that_has_left_the_registry_has_its_last_words() -> None:
    session, reader = FollowedSession("a"), Reader()
    sessions = [session]
    followers = following(sessions, reader)
    followers.refresh()
    sessions.clear()
    followers.refresh()  # it is being closed
    session.streams.put(BYE)
    session.streams.end()
    assert reader.messages[-1][2] == BYE
    followers.refresh()
    assert len(session.streams) == 0


def test_an_offer_that_never_connected_has_no_end() -> None:
    session, reader = FollowedSession("a"), Reader()
    session.connected = False
    followers = following([session], reader)
    followers.refresh()
    session.streams.put(BYE)
    session.streams.end()
    assert [text for _, _, text in reader.messages] == ["welcome"]


def test_a_reader_that_fails_costs_the_others_nothing() -> None:
    session, reader = FollowedSession("a"), Reader()
    followers = following([session], FailingReader(), reader)
    followers.refresh()
    session.streams.put("hello")
    assert [text for _, _, text in reader.messages] == ["welcome", "hello"]
