"""Jellyfish (RTSS 2022): its scheduler, its dispatch rules, its pictures.

Sent pictures and the network's input have the same size. Every 0.5 s simulated annealing and
dynamic programming choose a variant for each GPU. A frame is dropped at dispatch if it would be
over 5 ms late; a batch waits while its most urgent frame has over 10 ms of slack. A frame's
predicted network time is its bits over the bandwidth, plus 1 ms; the bandwidth is the harmonic mean
over the last second. Fixed delays are known exactly. A client that the plan cannot serve sends the
smallest size to the GPU with the fastest variant.
"""

from __future__ import annotations

import random
from collections import deque

from analysis.simulator.components.devices import HANDOVER_MS
from analysis.simulator.components.encoder import Encoder, JpegEncoder, SendRequest, jpeg_bits
from analysis.simulator.components.frame import SimulatedFrame
from analysis.simulator.components.link import Crossing
from analysis.simulator.policies.base import Policy
from analysis.simulator.run import SimulatedClient, SimulationRun
from analysis.simulator.server import FifoServer
from edge.profile.variant import Variant
from edge.scheduling.plan import Plan
from edge.scheduling.problem import Problem, ProblemClient, ProblemVariant
from edge.scheduling.solvers import solve

PLAN_MS = 500.0
DROP_MS, SPARE_MS = 5.0, 10.0
WINDOW_MS = 1_000.0
NETWORK_MS = 1.0


class Jellyfish(Policy):
    """With JPEGs of quality 90, square."""

    square = True
    codec = "jpeg90"

    def __init__(self, run: SimulationRun) -> None:
        super().__init__(run)
        self._server = FifoServer(run, drop_ms=DROP_MS, spare_ms=SPARE_MS, square=self.square)
        self._samples: list[deque[tuple[float, float]]] = []
        self._free_ms: list[float] = []
        self._device: list[int] = []
        self._current: tuple[tuple[str, ...], ...] | None = None
        self._variants = tuple(self._variant(long_side) for long_side in self.long_sides)
        for station in self._server.stations:
            station.variant = self.name(self.long_sides[0])

    def encoder(self, number: int, rng: random.Random) -> Encoder:
        return JpegEncoder(self.first_request(number), self.run.cell.fps, rng)

    def first_request(self, number: int) -> SendRequest:
        return self._request(self.long_sides[0])

    def _request(self, long_side: int) -> SendRequest:
        fps = self.run.cell.fps
        return SendRequest(long_side, fps, self.bits(long_side) * fps)

    def bits(self, long_side: int) -> float:
        """Bits of an ordinary frame."""
        return jpeg_bits(long_side)

    def _variant(self, long_side: int) -> ProblemVariant:
        name = self.name(long_side)
        size = Variant.parse(name).input_size(*((1, 1) if self.square else self.run.shape))
        rows = [p.latency_row(name, size) for p in self.run.profiles]
        row = [max(column) for column in zip(*rows, strict=False)]
        pixels = long_side * long_side if self.square else None
        fps = self.run.cell.fps
        f1 = self.run.accuracy.f1(
            name, long_side, self.bits(long_side) * fps, fps, codec=self.codec, pixels=pixels
        )
        return ProblemVariant(name, f1, tuple(row[: self.run.experiment.max_batch]))

    def start(self) -> None:
        count = len(self.run.clients)
        self._samples = [deque() for _ in range(count)]
        self._free_ms = [0.0] * count
        self._device = [number % len(self._server.stations) for number in range(count)]
        self._plan()

    # The clients' links

    def sent(
        self, client: SimulatedClient, frame: SimulatedFrame, crossing: Crossing, sent_ms: float
    ) -> None:
        start_ms = max(sent_ms + client.back_ms, self._free_ms[client.number])
        self._free_ms[client.number] = crossing.received_ms
        bits = 8.0 * sum(size for size, _ in crossing.packets)
        bps = 1000.0 * bits / max(0.1, crossing.received_ms - start_ms)
        self._samples[client.number].append((crossing.received_ms, bps))

    def _bandwidth_bps(self, client: SimulatedClient, now_ms: float) -> float:
        """The measured bandwidth; the link's actual rate before the first sample."""
        samples = self._samples[client.number]
        while len(samples) > 1 and samples[0][0] < now_ms - WINDOW_MS and samples[1][0] <= now_ms:
            samples.popleft()
        rates = [bps for at_ms, bps in samples if at_ms <= now_ms]
        if not rates:
            return max(client.link.rate_bps(now_ms), 1e4)
        return len(rates) / sum(1.0 / max(bps, 1.0) for bps in rates)

    # The plan

    def _plan(self) -> None:
        now_ms, cell = self.run.now_ms, self.run.cell
        costs = self.run.experiment.costs
        clients = []
        for client in self.run.clients:
            bps = self._bandwidth_bps(client, now_ms)
            budgets = [
                cell.slo_ms
                - (1000.0 * self.bits(long_side) / bps + NETWORK_MS)
                - (
                    costs.encode_ms
                    + self.run.decode_ms(long_side)
                    + HANDOVER_MS
                    + 2.0 * client.back_ms
                )
                for long_side in self.long_sides
            ]
            clients.append(ProblemClient(client.name, cell.fps, tuple(budgets)))
        problem = Problem(
            gpus=len(self._server.stations),
            variants=self._variants,
            clients=tuple(clients),
            current=self._current,
            seed=cell.seed,
        )
        self._adopt(solve(problem, "sa-dp", "single"), now_ms)
        if now_ms + PLAN_MS < self.run.end_ms:
            self.run.events.at(now_ms + PLAN_MS, self._plan)

    def _adopt(self, plan: Plan, now_ms: float) -> None:
        stations = self._server.stations
        long_sides = dict.fromkeys(range(len(self.run.clients)), self.long_sides[0])
        for device, slots in enumerate(plan.gpus):
            for slot in slots:
                stations[device].variant = self._variants[slot.variant].name
                stations[device].batch = slot.batch
                for number in slot.clients:
                    self._device[number] = device
                    long_sides[number] = self.long_sides[slot.variant]
        self._current = tuple((station.variant,) for station in stations)
        fastest = min(
            range(len(stations)), key=lambda d: (Variant.parse(stations[d].variant).long_side, d)
        )
        for client in self.run.clients:
            if client.number not in plan.variant_of:
                self._device[client.number] = fastest
            encoder = client.encoder
            if encoder.request.long_side != long_sides[client.number]:
                request = self._request(long_sides[client.number])
                encoder.ask(request, now_ms + client.draw_back_ms() + encoder.frame_ms)

    def ready(self, client: SimulatedClient, frame: SimulatedFrame) -> None:
        deadline_ms = frame.captured_ms + self.run.cell.slo_ms - client.back_ms
        self._server.offer(self._device[client.number], frame, deadline_ms)


class JellyfishVideo(Jellyfish):
    """With video of the camera's shape, at bits that are enough for each size."""

    square = False
    codec = "vp8"

    def encoder(self, number: int, rng: random.Random) -> Encoder:
        return Encoder(self.first_request(number), self.run.cell.fps, rng)

    def bits(self, long_side: int) -> float:
        return self.video_bps(long_side) / self.run.cell.fps
