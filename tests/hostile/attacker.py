"""A publisher of aiortc's that sends SCTP packets of its own making."""

from __future__ import annotations

from typing import Any

from tests.publisher import WhipPublisher
from tests.rtc.guard.sctp_packets import packet


class SctpAttacker:
    """Sends raw packets on the association of a publisher, whose channels are open."""

    def __init__(self, publisher: WhipPublisher) -> None:
        self.association: Any = publisher.connection.sctp

    @property
    def next_tsn(self) -> int:
        """The number of the next DATA chunk in sequence."""
        return int(self.association._local_tsn)

    @property
    def peer_tsn(self) -> int:
        """The last number that the server sent."""
        return int(self.association._last_received_tsn)

    async def send(self, *chunks: bytes) -> bool:
        """False once the connection has ended."""
        tag = self.association._remote_verification_tag
        try:
            await self.association.transport._send_data(packet(*chunks, tag=tag))
        except ConnectionError:
            return False
        return True
