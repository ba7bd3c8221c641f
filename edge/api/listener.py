"""Listening sockets with bounds on the connections, in all and of one address.

A connection beyond a bound is closed as soon as it is accepted: before TLS, before a task is made
for it, and without a log line of its own. Descriptors are kept free for workers and sessions.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import resource
import socket
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Literal

from edge.api.access.auth import Address, subscriber
from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.session.rate_limits import KeyedRateLimiter

MAX_DESCRIPTORS = 65_536  # the soft limit is raised to the hard one, but no further than this
DESCRIPTORS_OF_SERVER = 64  # workers' pipes, libraries' files, logs
DESCRIPTORS_OF_SESSION = 4  # sockets: two addresses, a relay, and one while it connects
READ_BYTES = 16_384  # at once from a connection; asyncio's own 256 KiB are far more than a request
UNREAD_MS = 30_000  # a client that leaves a response unread for so long is disconnected
LOG_INTERVAL_MS = 1_000.0
BURST_S = 4  # of one address' connections, or requests, at its rate: a page takes some 20 at once
_CLOSED_AT_ONCE = 100  # refused connections in one step of the event loop

Refusal = Literal[
    "connections", "connections_of_address", "descriptors", "rate_of_address", "requests_of_address"
]

log = get_logger("edge.api.listener")


def raise_descriptor_limit() -> int:
    """Raise the soft limit on open descriptors as far as is allowed; the limit in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (highest, hard))
        return highest
    return MAX_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft


def usable_descriptors(limit: int, sessions: int) -> int:
    """Descriptors of `limit` that HTTP may use up: what `sessions` need stays free, but at most
    half of all."""
    return limit - min(limit // 2, DESCRIPTORS_OF_SERVER + DESCRIPTORS_OF_SESSION * sessions)


def rate_of_address(per_s: int) -> KeyedRateLimiter:
    """So many a second of each address on average, and as many as in `BURST_S` at once."""
    return KeyedRateLimiter(per_s * BURST_S, 1000.0 * BURST_S)


class ConnectionLimits:
    """Counts open connections and refused ones; one for all listening sockets of a server."""

    def __init__(
        self,
        limit: int,
        limit_per_address: int,
        *,
        descriptors: int,
        per_s: int,
        is_exempt: Callable[[Address], bool] = lambda address: False,
        clock: Callable[[], float] = now_ms,
    ) -> None:
        """Connections whose descriptor would be `descriptors` or more are refused, and those of an
        address beyond `per_s` a second. An exempt address, such as a proxy's, is bound by `limit`
        alone. `clock` is in ms."""
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._descriptors = descriptors
        self._is_exempt = is_exempt
        self._rate = rate_of_address(per_s)
        self._clock = clock
        self._open: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        """Refused connections since the start, by reason."""
        self._unlogged: Counter[Refusal] = Counter()
        self._logged_ms = float("-inf")

    def __len__(self) -> int:
        return self._open.total()

    def refusal(self, address: Address, descriptor: int) -> Refusal | None:
        """Why a connection from `address` is refused; None if it may stay.

        The system gives out the lowest free descriptor: a high one means that all below are used.
        """
        if descriptor >= self._descriptors:
            return "descriptors"
        if len(self) >= self._limit:
            return "connections"
        key = subscriber(address)
        if self._open[key] >= self._limit_per_address and not self._is_exempt(address):
            return "connections_of_address"
        if self._rate.wait_ms(key, self._clock()) and not self._is_exempt(address):
            return "rate_of_address"
        return None

    def opened(self, address: Address) -> None:
        self._open[subscriber(address)] += 1
        self._rate.take(subscriber(address), self._clock())

    def closed(self, address: Address) -> None:
        key = subscriber(address)
        self._open[key] -= 1
        if self._open[key] <= 0:
            del self._open[key]

    def note_refused(self, reason: Refusal, now_ms: float) -> None:
        """Count it; logged at most once a second, with the count since the last line."""
        self.refused[reason] += 1
        self._unlogged[reason] += 1
        if now_ms - self._logged_ms >= LOG_INTERVAL_MS:
            counts = {str(reason): count for reason, count in self._unlogged.items()}
            log.warning("connections_refused", open=len(self), **counts)
            self._unlogged.clear()
            self._logged_ms = now_ms


class Connection(socket.socket):
    """An accepted connection; `on_close` is called once, as it is closed."""

    def __init__(self, listener: socket.socket, descriptor: int) -> None:
        super().__init__(listener.family, listener.type, listener.proto, fileno=descriptor)
        self.on_close: Callable[[], None] | None = None

    def recv(self, size: int, flags: int = 0) -> bytes:
        """At most `READ_BYTES`: a request that is too long is refused before more of it is read."""
        return super().recv(min(size, READ_BYTES), flags)

    def close(self) -> None:
        super().close()
        on_close, self.on_close = self.on_close, None
        if on_close is not None:
            on_close()


class Listener(socket.socket):
    """A listening TCP socket whose `accept` returns connections within the limits only."""

    def __init__(self, family: int, limits: ConnectionLimits) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._limits = limits
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def accept(self) -> tuple[Connection, object]:
        """The next connection within the limits; BlockingIOError if there is none for now."""
        for _ in range(_CLOSED_AT_ONCE):
            descriptor, peer = self._accept_descriptor()
            connection = Connection(self, descriptor)
            address = ipaddress.ip_address(peer[0].partition("%")[0])
            reason = self._limits.refusal(address, descriptor)
            if reason is None:
                self._limits.opened(address)
                connection.on_close = partial(self._limits.closed, address)
                return connection, peer
            connection.close()
            self._limits.note_refused(reason, now_ms())
        raise BlockingIOError  # the event loop calls again while connections wait

    def close(self) -> None:
        super().close()
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _accept_descriptor(self) -> tuple[int, Sequence[str]]:
        """Without a free descriptor, a connection is accepted on the spare one and closed: asyncio
        would log an error for each attempt, and leave the connection waiting."""
        try:
            return self._accept()  # type: ignore[no-any-return, attr-defined]
        except OSError as error:
            if error.errno not in (errno.EMFILE, errno.ENFILE) or self._spare is None:
                raise
        os.close(self._spare)
        self._spare = None
        try:
            socket.socket.accept(self)[0].close()
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._limits.note_refused("descriptors", now_ms())
        raise BlockingIOError


def listeners(host: str, port: int, limits: ConnectionLimits) -> list[Listener]:
    """A bound socket for each address of `host`; raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[Listener] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            listener = Listener(family, limits)
            sockets.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Accepted connections inherit it. It ends those whose peer reads nothing (RFC 5482).
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
            listener.bind(address)
            listener.setblocking(False)
    except OSError:
        for listener in sockets:
            listener.close()
        raise
    return sockets
