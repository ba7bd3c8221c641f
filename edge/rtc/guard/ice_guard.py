"""The sockets of one ICE connection of aioice's, read through the guard.

Nothing that arrives raises in a callback of the event loop, and no check is handled before its
form, its source and its rate have been judged.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from aioice import ice, stun

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.base.processor_time import work_time
from edge.rtc.guard import stun_inspection
from edge.rtc.guard.transport_guard import Address, TransportGuard
from edge.rtc.udp_socket import read_until_empty

MAX_PAIRS = 100  # of candidates (RFC 8445, section 6.1.2.5): each is checked up to seven times

_log = get_logger(__name__)


class IceGuard:
    """Receives for all sockets of an `aioice.Connection`; media and DTLS go on to its
    `data_received`."""

    def __init__(
        self,
        connection: ice.Connection,
        guard: TransportGuard,
        thread_time: Callable[[], float] = work_time,
    ) -> None:
        """`thread_time`: the processor time of this thread so far, in seconds."""
        self._connection = cast(Any, connection)
        self._guard = guard
        self._thread_time = thread_time
        self._since_s = 0.0
        self._own: bool | None = None  # whose the datagrams since then are; None: none yet
        respond_error = self._connection.respond_error

        def respond_within_rate(*arguments: Any) -> None:
            if guard.may_respond_with_error(now_ms()):
                respond_error(*arguments)

        self._connection.respond_error = respond_within_rate

    def attach(self, protocol: ice.StunProtocol) -> None:
        """Receive for this protocol from now on; a second call changes nothing."""
        receiver: Any = protocol
        if "datagram_received" in vars(receiver):
            return
        guard = self._guard

        def received(data: bytes, address: tuple[Any, ...]) -> None:
            source = (address[0], address[1])
            self._account(guard.knows(source))
            self.receive(protocol, data, source)

        def metered(data: bytes, address: tuple[Any, ...]) -> None:
            self._meter(lambda: received(data, address))

        receiver.datagram_received = metered  # as asyncio and a TURN client call it
        if not read_until_empty(receiver.transport, received, receiver.error_received, self._meter):
            # A relayed candidate has no socket of its own: the TURN client's is read.
            kind = type(receiver.transport).__name__
            _log.info(
                "socket_read_by_asyncio", transport=kind, candidate=protocol.local_candidate.type
            )

    @property
    def has_room_for_candidate(self) -> bool:
        """Whether one more remote candidate keeps the pairs within their bound."""
        return len(self._connection._check_list) + len(self._connection._protocols) <= MAX_PAIRS

    def _meter(self, work: Callable[[], None]) -> bool:
        """Do the work of a turn, and charge the publisher for the datagrams that are its own.

        Reading and dropping those of strangers is nothing that it can help. The clock is read where
        the source changes, so that a turn of the publisher's datagrams alone takes two readings.
        """
        self._since_s, self._own = self._thread_time(), None
        work()
        self._account(None)
        return not self._guard.ended

    def _account(self, own: bool | None) -> None:
        """The next datagram is the publisher's `own` or a stranger's; None: there is none."""
        before, self._own = self._own, own
        if before is None or before == own:
            return
        now_s = self._thread_time()
        if before:
            self._guard.charge(now_s - self._since_s, now_ms())
        self._since_s = now_s

    def receive(self, protocol: ice.StunProtocol, data: bytes, address: Address) -> None:
        """Handle a datagram; never raises."""
        try:
            if not self._guard.admits(data, address, now_ms()):
                return
            if data[0] > 3:
                self._connection.data_received(data, protocol.local_candidate.component)
            else:
                self._receive_stun(protocol, data, address)
        except Exception:
            self._guard.errors.add("a datagram handler")

    def _receive_stun(self, protocol: ice.StunProtocol, data: bytes, address: Address) -> None:
        if stun_inspection.malformation(data) is not None:
            self._guard.refuse("malformed STUN")
            return
        try:
            message = stun.parse_message(data)
        except Exception:  # many kinds, for values of the wrong length or kind
            self._guard.refuse("malformed STUN")
            return
        if message.message_class == stun.Class.REQUEST:
            if self._is_check(message) and not self._guard.learn(address):
                return
            self._connection.request_received(message, address, protocol)
        elif (transaction := protocol.transactions.get(message.transaction_id)) is not None:
            password = self._connection.remote_password
            if password is not None and message.check_message_integrity(password.encode()):
                self._guard.learn(address)
            transaction.response_received(message, address)

    def _is_check(self, message: stun.Message) -> bool:
        """Whether it proves to know this connection's password."""
        name = message.attributes.get("USERNAME")
        return (
            name is not None
            and self._connection._valid_username(name)
            and message.check_message_integrity(self._connection.local_password.encode())
        )
