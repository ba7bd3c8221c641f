"""Bounds on connections: which are refused, how they are counted, descriptors that stay free."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from edge.api import listener
from edge.api.listener import (
    ConnectionLimits,
    Listener,
    listeners,
    raise_descriptor_limit,
    usable_descriptors,
)

ONE, OTHER = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("192.0.2.2")
MANY = 1_000_000


def _limits(total: int = 4, of_address: int = 2, **options: Any) -> ConnectionLimits:
    return ConnectionLimits(total, of_address, **{"descriptors": MANY, "per_s": MANY, **options})


def test_connections_are_bounded_by_address_and_in_all() -> None:
    limits = _limits(total=3, of_address=2)
    limits.opened(ONE)
    limits.opened(ONE)
    assert limits.refusal(ONE, 5) == "connections_of_address"
    assert limits.refusal(OTHER, 5) is None
    limits.opened(OTHER)
    assert limits.refusal(OTHER, 5) == "connections"
    limits.closed(ONE)
    assert len(limits) == 2
    assert limits.refusal(ONE, 5) is None


def test_addresses_of_one_ipv6_subscriber_count_together() -> None:
    limits = _limits(of_address=1)
    limits.opened(ipaddress.ip_address("2001:db8::1"))
    assert limits.refusal(ipaddress.ip_address("2001:db8::2"), 5) == "connections_of_address"
    assert limits.refusal(ipaddress.ip_address("2001:db8:0:1::2"), 5) is None


def test_a_proxy_is_bound_by_the_total_alone() -> None:
    limits = _limits(total=3, of_address=1, is_exempt=lambda address: address == ONE)
    for _ in range(3):
        assert limits.refusal(ONE, 5) is None
        limits.opened(ONE)
    assert limits.refusal(ONE, 5) == "connections"


def test_new_connections_of_an_address_are_bounded_in_their_rate() -> None:
    times_ms = [0.0]
    limits = _limits(per_s=10, clock=lambda: times_ms[0])

    def come_and_go(address: Any) -> int:
        count = 0
        while limits.refusal(address, 5) is None:
            limits.opened(address)
            limits.closed(address)
            count += 1
        assert limits.refusal(address, 5) == "rate_of_address"
        return count

    assert come_and_go(ONE) == 10 * listener.BURST_S
    assert come_and_go(OTHER) == 10 * listener.BURST_S
    times_ms[0] += 1000.0
    assert come_and_go(ONE) == 10


def test_a_proxy_opens_as_many_connections_as_it_likes() -> None:
    limits = _limits(total=1000, of_address=1000, per_s=10, is_exempt=lambda address: True)
    for _ in range(1000):
        assert limits.refusal(ONE, 5) is None
        limits.opened(ONE)


def test_the_last_descriptors_stay_free() -> None:
    limits = _limits(descriptors=100)
    assert limits.refusal(ONE, 99) is None
    assert limits.refusal(ONE, 100) == "descriptors"


@pytest.mark.parametrize(("limit", "usable"), [(65_536, 65_216), (1024, 704), (256, 128)])
def test_sessions_and_workers_have_descriptors_of_their_own(limit: int, usable: int) -> None:
    assert usable_descriptors(limit, sessions=64) == usable


def test_refusals_are_logged_once_a_second_with_their_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(listener.log, "warning", lambda event, **keys: lines.append(keys))
    limits = _limits()
    for now_ms in range(0, 2000, 10):
        limits.note_refused("connections", now_ms)
    assert [line["connections"] for line in lines] == [1, 100]
    assert limits.refused["connections"] == 200


@pytest.mark.parametrize(
    ("soft", "hard", "raised"),
    [(256, 4096, 4096), (1024, 1_000_000, 65_536), (256, resource.RLIM_INFINITY, 65_536)],
)
def test_the_soft_limit_is_raised_within_bounds(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int
) -> None:
    now = {"limit": (soft, hard)}
    monkeypatch.setattr(resource, "getrlimit", lambda which: now["limit"])
    monkeypatch.setattr(resource, "setrlimit", lambda which, value: now.update(limit=value))
    assert raise_descriptor_limit() == raised
    assert now["limit"] == (raised, hard)


@contextmanager
def _listening(limits: ConnectionLimits) -> Iterator[Listener]:
    [bound] = listeners("127.0.0.1", 0, limits)
    with bound:
        bound.listen()
        yield bound


def _connect(bound: Listener) -> socket.socket:
    client = socket.create_connection(bound.getsockname(), timeout=10)
    return client


def test_accept_closes_what_is_beyond_the_limit_and_counts_what_is_closed() -> None:
    limits = _limits(of_address=1)
    with _listening(limits) as bound, _connect(bound), _connect(bound) as refused:
        first, _ = bound.accept()
        with pytest.raises(BlockingIOError):
            bound.accept()
        assert refused.recv(1) == b""
        assert limits.refused == {"connections_of_address": 1}
        first.close()
        first.close()
        assert len(limits) == 0
        with _connect(bound):
            bound.accept()[0].close()


def test_without_a_descriptor_connections_are_closed_and_not_left_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limits = _limits()

    def exhausted(self: Listener) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with _listening(limits) as bound, _connect(bound) as client:
        monkeypatch.setattr(Listener, "_accept", exhausted, raising=False)
        monkeypatch.setattr(
            socket.socket,
            "accept",
            lambda self: (socket.socket(fileno=super(Listener, self)._accept()[0]), None),
        )
        with pytest.raises(BlockingIOError):
            bound.accept()
        assert client.recv(1) == b""
        assert limits.refused == {"descriptors": 1}


def test_sockets_that_cannot_be_bound_are_closed() -> None:
    with _listening(_limits()) as bound, pytest.raises(OSError, match="in use"):
        listeners("127.0.0.1", bound.getsockname()[1], _limits())


async def test_asyncio_accepts_through_it() -> None:
    limits = _limits(of_address=1)
    [bound] = listeners("127.0.0.1", 0, limits)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), sock=bound)
    async with server:
        for _ in range(3):  # one after the other, since each is counted until it is closed
            reader, writer = await asyncio.open_connection(*bound.getsockname())
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
