"""What a run asks of a policy."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from analysis.simulator.encoder import Encoder, SendRequest
from analysis.simulator.frame import SimulatedFrame
from analysis.simulator.link import Crossing
from edge.profile.variant import Variant

if TYPE_CHECKING:
    from analysis.simulator.run import SimulatedClient, SimulationRun

ENOUGH = 0.98  # of what a size can reach: the bits that a fixed size is sent with


class Policy(ABC):
    """One of those that are compared; made for one run."""

    def __init__(self, run: SimulationRun) -> None:
        self.run = run
        self.network = run.experiment.network
        self.long_sides = run.experiment.edges

    def encoder(self, number: int, chance: random.Random) -> Encoder:
        """A client's encoder, and what it sends before it is told anything."""
        return Encoder(self.first_request(number), self.run.cell.fps, chance)

    @abstractmethod
    def first_request(self, number: int) -> SendRequest:
        """What a client sends at first."""

    def start(self) -> None:  # noqa: B027  # most have nothing to do
        """Before the first capture: sets what is to happen at times of its own."""

    def sent(  # noqa: B027
        self, client: SimulatedClient, frame: SimulatedFrame, crossing: Crossing, sent_ms: float
    ) -> None:
        """A frame went onto its link; what the crossing says isn't known to a server yet."""

    @abstractmethod
    def ready(self, client: SimulatedClient, frame: SimulatedFrame) -> None:
        """A frame was decoded: it must end in one `run.answer` or `run.drop`."""

    def name(self, long_side: int) -> str:
        """The variant of an input side."""
        return Variant(self.network, long_side).name

    def video_bps(self, long_side: int) -> float:
        """Bits a second that are enough for a size, for the variant of the same."""
        width, height = self.run.sent_size(long_side)
        bps = self.run.accuracy.enough_bps(
            self.name(long_side), long_side, self.run.cell.fps, ENOUGH, pixels=width * height
        )
        return min(bps, float(self.run.experiment.max_bps))
