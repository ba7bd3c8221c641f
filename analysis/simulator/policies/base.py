"""The interface of policies."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod

from analysis.simulator.components.encoder import Encoder, SendRequest
from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.components.link import Crossing
from analysis.simulator.run import SimulatedClient, SimulationRun
from edge.profile.variant import Variant

ENOUGH = 0.98  # of the accuracy that a size can reach: the bitrate that a fixed size is sent with


class Policy(ABC):
    """Decides what each client sends and how its frames are served, in one run."""

    def __init__(self, run: SimulationRun) -> None:
        self.run = run
        self.network = run.experiment.network
        self.long_sides = run.experiment.edges

    def encoder(self, number: int, rng: random.Random) -> Encoder:
        """A client's encoder, with its first request."""
        return Encoder(self.first_request(number), self.run.cell.fps, rng)

    @abstractmethod
    def first_request(self, number: int) -> SendRequest:
        """The request that a client obeys until its first hint."""

    def start(self) -> None:  # noqa: B027  # most have nothing to do
        """Called before the first capture, to schedule the policy's own events."""

    def sent(  # noqa: B027
        self, client: SimulatedClient, frame: SimulatedFrame, crossing: Crossing, sent_ms: float
    ) -> None:
        """A frame enters its link; a server may use the crossing only as its packets arrive."""

    @abstractmethod
    def ready(self, client: SimulatedClient, frame: SimulatedFrame) -> None:
        """A frame was decoded; it must end in one `run.answer` or `run.drop`."""

    def name(self, long_side: int) -> str:
        """The variant of an input size."""
        return Variant(self.network, long_side).name

    def video_bps(self, long_side: int) -> float:
        """A sufficient bitrate for a sent size and the variant of the same size."""
        width, height = self.run.sent_size(long_side)
        bps = self.run.accuracy.enough_bps(
            self.name(long_side), long_side, self.run.cell.fps, ENOUGH, pixels=width * height
        )
        return min(bps, float(self.run.experiment.max_bps))
