"""Policies without adaptation: one size, one variant, first in, first out."""

from __future__ import annotations

from analysis.simulator.components.encoder import SendRequest
from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.policies.base import Policy
from analysis.simulator.run import SimulatedClient, SimulationRun
from analysis.simulator.server import FifoServer


class Fixed(Policy):
    """Clients are spread evenly over the devices, which batch what is waiting."""

    size_index = 0  # in the experiment's `edges`

    def __init__(self, run: SimulationRun) -> None:
        super().__init__(run)
        self._long_side = self.long_sides[self.size_index]
        self._server = FifoServer(run)
        for station in self._server.stations:
            station.variant = self.name(self._long_side)
            station.batch = run.experiment.max_batch

    def first_request(self, number: int) -> SendRequest:
        return SendRequest(self._long_side, self.run.cell.fps, self.video_bps(self._long_side))

    def ready(self, client: SimulatedClient, frame: SimulatedFrame) -> None:
        deadline_ms = frame.captured_ms + self.run.cell.slo_ms - client.back_ms
        device = client.number % len(self._server.stations)
        self._server.offer(device, frame, deadline_ms)


class Largest(Fixed):
    """The largest sent size and network input."""

    size_index = -1


class Smallest(Fixed):
    """The smallest sent size and network input."""
