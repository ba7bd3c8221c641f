"""The way of a frame that was answered: when it was where, and what that makes of each leg."""

from __future__ import annotations

from dataclasses import dataclass

from edge.adaptation.latency_budget import Leg
from edge.batching.dispatcher import Answer
from edge.rtc.peer_connection import DecodedFrame


@dataclass(frozen=True, slots=True)
class FrameTimeline:
    """In ms of the server's clock; named as its publisher is told."""

    captured: float
    received: float
    decoded: float
    dispatched: float
    inferred: float
    sent: float

    @classmethod
    def of(cls, frame: DecodedFrame, answer: Answer, sent_ms: float) -> FrameTimeline:
        return cls(
            captured=frame.captured_ms,
            received=frame.received_ms,
            decoded=frame.decoded_ms,
            dispatched=answer.dispatched_ms,
            inferred=answer.inferred_ms,
            sent=sent_ms,
        )

    def legs(self, back_ms: float) -> dict[Leg, float]:
        """How long each took, in ms; `back_ms`: from the server to the publisher's hands."""
        return {
            "network": self.received - self.captured,
            "decode": self.decoded - self.received,
            "queue": self.dispatched - self.decoded,
            "inference": self.inferred - self.dispatched,
            "back": self.sent - self.inferred + back_ms,
        }
