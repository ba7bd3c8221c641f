"""A real ICE connection of aioice's behind the guard: nothing raises, all it learns is bounded."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest
import pytest_asyncio
from aioice import ice, stun
from aioice.candidate import Candidate

from edge.rtc.guard.ice_guard import MAX_PAIRS, IceGuard
from edge.rtc.guard.suppressed_errors import SuppressedErrors
from edge.rtc.guard.transport_guard import ERRORS_BURST, MAX_ADDRESSES, TransportGuard


class Stage:
    """One connection with one socket on loopback, whose sending is noted."""

    received: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        self.connection: Any = ice.Connection(ice_controlling=False)
        self.connection.remote_username, self.connection.remote_password = "them", "p" * 22
        self.connection._early_checks_done = True
        self.connection._check_list_done = True
        self.errors = SuppressedErrors()
        self.ends: list[str] = []
        self.used_s = 0.0  # of this thread's time, as the guard is told
        self.guard = TransportGuard(lambda code, reason: self.ends.append(code), self.errors, 0.25)
        self.ice_guard = IceGuard(self.connection, self.guard, lambda: self.used_s)
        self.protocol: Any = None
        self.sent: list[stun.Message] = []

    async def gather(self) -> None:
        await self.connection.get_component_candidates(1, ["127.0.0.1"])
        [self.protocol] = self.connection._protocols
        self.protocol.send_stun = lambda message, address: self.sent.append(message)
        self.ice_guard.attach(self.protocol)

    def receive(self, data: bytes, port: int = 5000) -> None:
        self.protocol.datagram_received(data, ("192.0.2.1", port))

    def turn(self, *ports: int, each_s: float) -> bool:
        """A turn of the event loop with datagrams from these ports, which take so long each."""
        [received] = self.received

        def read() -> None:
            for port in ports:
                received(b"\x16", ("192.0.2.1", port))
                self.used_s += each_s

        return self.ice_guard._meter(read)

    def check(self, *, priority: bool = True, **attributes: Any) -> bytes:
        request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.connection.local_username}:them"
        if priority:
            request.attributes["PRIORITY"] = 1
        request.attributes |= attributes
        request.add_message_integrity(self.connection.local_password.encode())
        return bytes(request)


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage()
    await stage.gather()
    yield stage
    assert stage.errors.count == 0
    await stage.connection.close()


async def test_a_check_is_answered_and_its_address_may_send(stage: Stage) -> None:
    stage.receive(b"\x16\xfe")
    assert stage.connection._queue.empty()
    stage.receive(stage.check())
    assert [message.message_class for message in stage.sent] == [stun.Class.RESPONSE]
    assert [c.port for c in stage.connection.remote_candidates] == [5000]
    stage.receive(b"\x16\xfe")
    assert stage.connection._queue.get_nowait() == (b"\x16\xfe", 1)


async def test_a_check_without_priority_is_dropped(stage: Stage) -> None:
    for _ in range(20):
        stage.receive(stage.check(priority=False))
    assert not stage.sent
    assert not stage.connection.remote_candidates
    assert stage.guard.refused["malformed STUN"] == 20


async def test_the_addresses_learnt_are_bounded(stage: Stage) -> None:
    for port in range(1, 100):
        stage.receive(stage.check(), port)
    assert len(stage.connection.remote_candidates) == MAX_ADDRESSES
    assert len(stage.connection._check_list) == MAX_ADDRESSES
    assert stage.guard.refused["too many addresses"] == 99 - MAX_ADDRESSES


async def test_error_responses_are_rate_limited(stage: Stage) -> None:
    wrong = bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
    for _ in range(100):
        stage.receive(wrong)
    assert len(stage.sent) <= ERRORS_BURST + 1
    assert all(message.message_class == stun.Class.ERROR for message in stage.sent)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [(0x0020, b"\x00"), (0x0020, b"\x00\x09" + bytes(6)), (0x8029, b"\x00"), (0x0003, b""),
     (0x0006, b"\xff\xfe"), (0x0009, b"\x00"), (0x000C, b"\x00"), (0x8028, b"\x00\x00\x00\x00")],
)  # fmt: skip
async def test_values_of_the_wrong_kind_are_dropped(
    stage: Stage, attribute: int, value: bytes
) -> None:
    body = struct.pack("!HH", attribute, len(value)) + value + bytes(-len(value) % 4)
    for kind in (0x0001, 0x0101, 0x0111, 0x0011):
        stage.receive(struct.pack("!HHI12s", kind, len(body), 0x2112A442, bytes(12)) + body)
    assert stage.guard.refused["malformed STUN"] == 4


async def test_a_session_handler_that_raises_is_counted(stage: Stage) -> None:
    def fail(data: bytes, component: int) -> None:
        raise ValueError(data)

    stage.receive(stage.check())
    stage.connection.data_received = fail
    stage.receive(b"\x16")
    assert stage.errors.count == 1
    stage.errors.count = 0


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> None:
    """Note what the sockets' reader would call, in the place of reading."""

    def read(transport: Any, on_datagram: Any, *_: Any) -> bool:
        Stage.received.append(on_datagram)
        return True

    Stage.received = []
    monkeypatch.setattr("edge.rtc.guard.ice_guard.read_until_empty", read)


@pytest.mark.usefixtures("received")
async def test_strangers_datagrams_are_not_charged_to_the_publisher(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.rtc.guard.ice_guard.now_ms", lambda: 0.0)
    stage = Stage()
    await stage.gather()
    stage.receive(stage.check())  # 5000 is the publisher's
    mine, other = 5000, 6000
    for turn in ([other] * 64, [mine, *[other] * 63], [*[other] * 63, mine], [other, mine] * 8):
        assert stage.turn(*turn, each_s=0.01)
    assert not stage.ends  # 0.1 s of its own; 1.98 s of strangers
    assert stage.turn(*[mine, other] * 15, each_s=0.01)  # 0.25 s in all
    assert not stage.turn(*[other] * 10, *[mine] * 2, each_s=0.01)
    assert stage.ends == ["excess"]
    await stage.connection.close()


async def test_candidate_pairs_are_bounded(stage: Stage) -> None:
    count = 0
    while stage.ice_guard.has_room_for_candidate:
        count += 1
        address = f"192.0.2.{count}"
        candidate = Candidate("f", 1, "udp", 1, address, 5000, "host")
        await stage.connection.add_remote_candidate(candidate)
    assert len(stage.connection._check_list) == count == MAX_PAIRS


async def test_attaching_twice_changes_nothing(stage: Stage) -> None:
    before = stage.protocol.datagram_received
    stage.ice_guard.attach(stage.protocol)
    assert stage.protocol.datagram_received is before
