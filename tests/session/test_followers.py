"""Every session's results, for readers within the server; sessions are stand-ins."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from edge.session.followers import Followers
from edge.session.registry import SessionRegistry
from edge.session.results.result_streams import ResultQueue, ResultStreams

BYE = '{"type":"bye","code":"ended","message":"over"}'


class FollowedSession:
    def __init__(self, name: str) -> None:
        self.id = self.name = name
        self.label = f"label of {name}"
        self.connected = True
        self.streams = ResultStreams(depth=4)

    @contextmanager
    def subscribe(self) -> Iterator[ResultQueue]:
        with self.streams.open("welcome") as queue:
            yield queue


class Reader:
    def __init__(self) -> None:
        self.wants_results = True
        self.messages: list[tuple[str, str, str]] = []
        self.skipped: list[tuple[str, int]] = []
        self.got = asyncio.Event()

    def put(self, session: str, label: str, text: str) -> None:
        self.messages.append((session, label, text))
        self.got.set()

    def skip(self, label: str, count: int) -> None:
        self.skipped.append((label, count))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.messages) < count:
                self.got.clear()
                await self.got.wait()


def following(sessions: list[FollowedSession], *readers: Reader) -> Followers:
    return Followers(cast(SessionRegistry, sessions), [*readers])


async def test_all_readers_get_all_sessions_messages() -> None:
    one, other = FollowedSession("a"), FollowedSession("b")
    readers = Reader(), Reader()
    followers = following([one, other], *readers)
    followers.refresh()
    for reader in readers:
        await reader.until(2)
    one.streams.put("hello")
    for reader in readers:
        await reader.until(3)
        assert reader.messages[-1] == ("a", "label of a", "hello")
    await followers.close()


async def test_nobody_is_followed_while_no_reader_wants() -> None:
    session, reader = FollowedSession("a"), Reader()
    reader.wants_results = False
    followers = following([session], reader)
    followers.refresh()
    await asyncio.sleep(0)
    assert len(session.streams) == 0
    reader.wants_results = True
    followers.refresh()
    await reader.until(1)
    assert len(session.streams) == 1
    reader.wants_results = False
    followers.refresh()
    await followers.close()
    await asyncio.sleep(0)
    assert len(session.streams) == 0


async def test_messages_lost_on_the_way_are_counted() -> None:
    session, reader = FollowedSession("a"), Reader()
    followers = following([session], reader)
    followers.refresh()
    await reader.until(1)
    for number in range(10):  # on one turn of the loop, and four may wait
        session.streams.put(str(number))
    await reader.until(5)
    assert [text for _, _, text in reader.messages[1:]] == ["6", "7", "8", "9"]
    assert reader.skipped == [("label of a", 6)]
    await followers.close()


async def test_a_session_has_one_end_whether_it_says_so_or_not() -> None:
    said, silent, reader = FollowedSession("a"), FollowedSession("b"), Reader()
    followers = following([said, silent], reader)
    followers.refresh()
    await reader.until(2)
    said.streams.put(BYE)
    said.streams.end()
    silent.streams.end()
    await reader.until(4)
    await followers.close()
    ends = {session: text for session, _, text in reader.messages[2:]}
    assert ends["a"] == BYE
    assert '"code":"timeout"' in ends["b"]
    assert len(reader.messages) == 4


async def test_an_offer_that_never_connected_has_no_end() -> None:
    session, reader = FollowedSession("a"), Reader()
    session.connected = False
    followers = following([session], reader)
    followers.refresh()
    await reader.until(1)
    session.streams.put(BYE)
    session.streams.end()
    await followers.close()
    assert [text for _, _, text in reader.messages] == ["welcome"]


async def test_close_waits_for_the_last_words_of_ended_sessions() -> None:
    session, reader = FollowedSession("a"), Reader()
    followers = following([session], reader)
    followers.refresh()
    await reader.until(1)
    session.streams.put(BYE)
    session.streams.end()
    await followers.close()
    assert reader.messages[-1][2] == BYE
