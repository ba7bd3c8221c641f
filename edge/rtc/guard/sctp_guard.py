"""aiortc's SCTP association and the DTLS transport under it, behind the guard."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any

from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import RTCSctpTransport

from edge.base.clock import now_ms
from edge.base.processor_time import work_time
from edge.rtc.guard.sctp_inspection import ENDLESS_PARAMETER, Association, violation
from edge.rtc.guard.transport_guard import TransportGuard

MAX_UNFINISHED_BYTES = 2 << 20  # of messages in reassembly, over all streams
_TURN_S = 0.005  # of handling queued DTLS datagrams, then the event loop's other work comes first
_INITIAL_WINDOW = 10 * 1200  # bytes: as RFC 6928 has it for TCP, so that a result never waits
_ADVERTISED_BYTES = 1 << 20  # aiortc's receive window
_TSN_MODULO = 1 << 32


class _Reassembly(Mapping[int, int]):
    """The chunks that each inbound stream holds, read when asked for."""

    def __init__(self, association: Any) -> None:
        self._association = association

    def __getitem__(self, stream: int) -> int:
        return len(self._association._inbound_streams[stream].reassembly)

    def __contains__(self, stream: object) -> bool:
        return stream in self._association._inbound_streams

    def __iter__(self) -> Iterator[int]:
        return iter(self._association._inbound_streams)

    def __len__(self) -> int:
        return len(self._association._inbound_streams)


def association_of(sctp: RTCSctpTransport) -> Association:
    """The association as the inspection needs it, at the cost of a few attributes."""
    own: Any = sctp
    return Association(
        established=own._association_state is RTCSctpTransport.State.ESTABLISHED,
        received_tsn=own._last_received_tsn,
        sent_tsn=(own._local_tsn - 1 - len(own._outbound_queue)) % _TSN_MODULO,
        acknowledged_tsn=own._last_sacked_tsn,
        streams=_Reassembly(own),
    )


def guard_sctp(sctp: RTCSctpTransport, guard: TransportGuard) -> None:
    """Inspect each packet before the association handles it; what it raises is counted."""
    own: Any = sctp
    own._cwnd = _INITIAL_WINDOW
    handle = sctp._handle_data

    async def handle_data(data: bytes) -> None:
        if guard.ended:
            return
        broken = violation(data, association_of(sctp))
        if broken is not None:
            guard.violation(broken, now_ms(), fatal=broken == ENDLESS_PARAMETER)
            return
        try:
            await handle(data)
        except ConnectionError:
            raise
        except Exception:
            guard.errors.add("a data channel packet")
        if _ADVERTISED_BYTES - own._advertised_rwnd > MAX_UNFINISHED_BYTES:
            own._inbound_streams.clear()
            own._advertised_rwnd = _ADVERTISED_BYTES
            rule = f"more than {MAX_UNFINISHED_BYTES} bytes of unfinished messages"
            guard.violation(rule, now_ms(), fatal=True)

    own._handle_data = handle_data


def meter_dtls(dtls: RTCDtlsTransport, guard: TransportGuard) -> None:
    """Charge the handling of DTLS datagrams, with the SCTP and the messages in them.

    aiortc handles all that is queued without a pause. None of that suspends, so that the thread's
    time between two reads is the publisher's. During the handshake, and until the first read after
    it, other tasks run in between.
    """
    transport: Any = dtls.transport
    receive = transport._recv
    began_s: float | None = None
    turn_s = 0.0

    async def metered() -> Any:
        nonlocal began_s, turn_s
        if began_s is not None:
            used_s = work_time() - began_s
            guard.charge(used_s, now_ms())
            turn_s += used_s
        if turn_s > _TURN_S:
            turn_s = 0.0
            await asyncio.sleep(0)
        data = await receive()
        began_s = work_time() if dtls.state == "connected" else None
        return data

    transport._recv = metered
