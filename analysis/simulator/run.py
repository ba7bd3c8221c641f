"""One run: a cell of the grid under one policy, from the first capture to the last result."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Protocol

from analysis.simulator.components.devices import HANDOVER_MS, SimulatedDevices
from analysis.simulator.components.encoder import LEAST_BITS, Encoder, JpegEncoder
from analysis.simulator.components.frame import IN_TIME, LATE, FrameTally, SimulatedFrame
from analysis.simulator.components.link import Crossing, SimulatedLink
from analysis.simulator.event_queue import EventQueue
from analysis.simulator.specification import SimulatedLinkSpec, Simulation, SimulationCell
from edge.profile.accuracy import AccuracyProfile
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.latency_file import load_latency_profile
from edge.profile.variant import Variant
from netem.assumed_accuracy import assume
from traces import Trace, read
from traces.generate import KINDS


@dataclass(slots=True)
class SimulatedClient:
    """A camera with its encoder and link; `back_ms` is the delay to it without jitter."""

    number: int
    encoder: Encoder
    link: SimulatedLink
    back_ms: float
    jitter_ms: float
    rng: random.Random
    last_variant: str = ""
    last_long_side: int = 0

    @property
    def name(self) -> str:
        """Its session's name."""
        return f"client-{self.number}"

    def draw_back_ms(self) -> float:
        """The delay of one message to the client, with jitter."""
        return self.back_ms + abs(self.rng.gauss(0.0, self.jitter_ms))


class RunPolicy(Protocol):
    """The part of a policy that a run calls (`analysis.simulator.policies.base`)."""

    def encoder(self, number: int, rng: random.Random) -> Encoder: ...

    def start(self) -> None: ...

    def sent(
        self, client: SimulatedClient, frame: SimulatedFrame, crossing: Crossing, sent_ms: float
    ) -> None: ...

    def ready(self, client: SimulatedClient, frame: SimulatedFrame) -> None: ...


class SimulationRun:
    """One run, with all that a policy may read and do. `profiles` are the devices' as declared at
    first; the server's batcher updates them."""

    def __init__(
        self,
        experiment: Simulation,
        cell: SimulationCell,
        policy: Callable[[SimulationRun], RunPolicy],
    ) -> None:
        self.experiment, self.cell = experiment, cell
        self.events = EventQueue()
        self.tally = FrameTally()
        files = [d.profile for d in experiment.devices for _ in range(d.count)]
        self.accuracy = accuracy_of(experiment)
        self.devices = SimulatedDevices([load_latency_profile(f) for f in files], self._rng("gpus"))
        self.profiles = [load_latency_profile(f) for f in files]
        self.shape = (experiment.width, experiment.height)
        self.clients: list[SimulatedClient] = []
        self.policy = policy(self)
        for number in range(cell.clients):
            self.clients.append(self._client(number))
        self._least_ms = self._least_service_ms()

    def _rng(self, purpose: str) -> random.Random:
        """A generator that is the same for every policy in a cell."""
        return random.Random(f"{self.cell.seed}/{purpose}")

    def _client(self, number: int) -> SimulatedClient:
        spec = self.cell.trace
        trace, offset_ms = _trace_of(spec, number, self.experiment.seconds)
        link = SimulatedLink(
            trace,
            self._rng(f"link/{number}"),
            delay_ms=spec.rtt_ms / 2.0,
            jitter_ms=spec.jitter_ms,
            loss=spec.loss,
            queue_bytes=spec.queue_bytes,
            offset_ms=offset_ms,
        )
        encoder = self.policy.encoder(number, self._rng(f"encoder/{number}"))
        rng = self._rng(f"client/{number}")
        return SimulatedClient(number, encoder, link, spec.rtt_ms / 2.0, spec.jitter_ms, rng)

    def _least_service_ms(self) -> float:
        """The least time from a frame's arrival to its answer, which even an oracle needs."""
        long_side = self.experiment.edges[0]
        variants = [Variant(network, long_side) for network in self.experiment.networks]
        fastest_ms = min(
            profile.typical_ms(variant.name, variant.input_size(*self.shape), 1)
            for profile in self.profiles
            for variant in variants
        )
        return self.decode_ms(long_side) + fastest_ms + HANDOVER_MS + self.cell.trace.rtt_ms / 2.0

    # For policies

    @property
    def now_ms(self) -> float:
        """The simulated time."""
        return self.events.now_ms

    def sent_size(self, long_side: int) -> tuple[int, int]:
        """A sent picture's width and height."""
        width, height = self.shape
        longest = max(width, height)
        return max(1, round(width * long_side / longest)), max(
            1, round(height * long_side / longest)
        )

    def decode_ms(self, long_side: int) -> float:
        """The decoding time of a frame with this long side."""
        width, height = self.sent_size(long_side)
        costs = self.experiment.costs
        return costs.decode_ms + costs.decode_ms_a_megapixel * width * height / 1e6

    # From capture to outcome

    def run(self) -> FrameTally:
        """Runs until every frame has ended."""
        self.policy.start()
        for client in self.clients:
            phase_ms = client.rng.uniform(0.0, 1000.0 / self.cell.fps)
            self.events.at(phase_ms, partial(self._capture, client, 0, phase_ms))
        self.events.run()
        return self.tally

    @property
    def end_ms(self) -> float:
        """When the cameras stop."""
        return 1000.0 * self.experiment.seconds

    def _capture(self, client: SimulatedClient, number: int, phase_ms: float) -> None:
        now_ms = self.now_ms
        encoded = client.encoder.encode(now_ms)
        sent_ms = now_ms + self.experiment.costs.encode_ms
        reachable = self._is_reachable(client, now_ms, sent_ms)
        if encoded is None:
            self.tally.skipped += 1
            self.tally.skipped_reachable += reachable
        else:
            frame = SimulatedFrame(
                client.number,
                number,
                now_ms,
                encoded.long_side,
                encoded.bps,
                encoded.fps,
                reachable,
            )
            self._send(client, frame, encoded.bits, sent_ms)
        due_ms = phase_ms + 1000.0 * (number + 1) / self.cell.fps
        if due_ms < self.end_ms:
            self.events.at(due_ms, partial(self._capture, client, number + 1, phase_ms))

    def _is_reachable(self, client: SimulatedClient, now_ms: float, sent_ms: float) -> bool:
        arrives_ms = client.link.alone_ms(LEAST_BITS, sent_ms)
        return arrives_ms + self._least_ms <= now_ms + self.cell.slo_ms

    def _send(
        self, client: SimulatedClient, frame: SimulatedFrame, bits: float, sent_ms: float
    ) -> None:
        tally = self.tally
        tally.captured += 1
        tally.sent_bits += bits
        tally.size_changes += client.last_long_side not in (0, frame.long_side)
        client.last_long_side = frame.long_side
        crossing = client.link.send(bits, sent_ms)
        if crossing is None:
            tally.count(frame, "queue", 0.0, infeasible=True)
            return
        frame.received_ms = crossing.received_ms
        frame.ready_ms = crossing.received_ms + self.decode_ms(frame.long_side)
        self.policy.sent(client, frame, crossing, sent_ms)
        self.events.at(frame.ready_ms, partial(self.policy.ready, client, frame))

    def answer(self, frame: SimulatedFrame, variant: str) -> float:
        """Counts a frame whose results leave the device now; returns their delay to the client."""
        client = self.clients[frame.client]
        back_ms = client.draw_back_ms()
        latency_ms = self.now_ms + back_ms - frame.captured_ms
        slo_ms = self.cell.slo_ms
        self.tally.latencies_ms.append(latency_ms)
        self.tally.variant_changes += client.last_variant not in ("", variant)
        client.last_variant = variant
        f1 = 0.0
        if latency_ms <= slo_ms:
            codec = client.encoder.codec
            pixels = frame.long_side * frame.long_side if codec == JpegEncoder.codec else None
            f1 = self.accuracy.f1(
                variant, frame.long_side, frame.bps, frame.fps, codec=codec, pixels=pixels
            )
        outcome = IN_TIME if latency_ms <= slo_ms else LATE
        self.tally.count(frame, outcome, f1, infeasible=self._is_infeasible(frame))
        return back_ms

    def drop(self, frame: SimulatedFrame, reason: str) -> None:
        """Counts a frame that gets no answer."""
        self.tally.count(frame, reason, 0.0, infeasible=self._is_infeasible(frame))

    def _is_infeasible(self, frame: SimulatedFrame) -> bool:
        """Whether the frame arrived too late for any server to answer it in time."""
        return frame.network_ms + self._least_ms > self.cell.slo_ms


def accuracy_of(experiment: Simulation) -> AccuracyProfile:
    """The experiment's accuracy profile, read once in each process."""
    spec = experiment.accuracy
    return _accuracy(spec.file, spec.as_network, tuple(spec.factors.items()))


@lru_cache(maxsize=8)
def _accuracy(
    file: Path, as_network: str | None, factors: tuple[tuple[str, float], ...]
) -> AccuracyProfile:
    profile = load_accuracy_profile(file, as_network=as_network)
    return assume(profile, as_network, dict(factors))


@lru_cache(maxsize=512)
def _generated(kind: str, seed: int, seconds: float) -> Trace:
    return KINDS[kind](seed, seconds)


_read = lru_cache(maxsize=64)(read)


def _trace_of(spec: SimulatedLinkSpec, number: int, seconds: float) -> tuple[Trace, float]:
    """A client's trace, and the time in it at which the client starts, ms."""
    offset_ms = 1000.0 * spec.offset_s * number
    if spec.file is not None:
        return _read(spec.file), offset_ms
    assert spec.kind is not None
    if spec.kind == "stepped":
        return _generated("stepped", 0, 140.0), offset_ms
    return _generated(spec.kind, spec.seed + number, seconds + 10.0), offset_ms
