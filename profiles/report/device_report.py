"""What a report states about a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from edge.profile.latency import LatencyEntry


@dataclass(frozen=True, slots=True)
class MemoryUse:
    """Of the worker process, once all of the report's batches have run.

    `process_bytes` is proportional (pages that are shared count in part); `device_bytes` and
    `device_total_bytes` are a GPU's, None where the device has no memory of its own.
    """

    process_bytes: int
    device_bytes: int | None
    device_total_bytes: int | None


@dataclass(frozen=True, slots=True)
class GraphTiming:
    """A forward pass recorded as a CUDA graph, beside the same pass launched kernel by kernel."""

    variant: str
    batch: int
    record_ms: float
    launched_ms: float
    replayed_ms: float


@dataclass(frozen=True, slots=True)
class InputTiming:
    """From decoded pictures to the network's input: `copied_bytes` to the device, `ms` in all."""

    variant: str
    batch: int
    copied_bytes: int
    ms: float


@dataclass(frozen=True, slots=True)
class DecodeTiming:
    """One thread's decoder, milliseconds of processor time a frame."""

    codec: str
    width: int
    height: int
    ms: float


@dataclass(frozen=True, slots=True)
class SuiteOutcome:
    """How the tests of the device's code ended; `summary` is the last line of their output."""

    command: str
    exit_status: int
    summary: str


@dataclass(frozen=True, slots=True)
class DeviceReport:
    """Everything that a report measures; `latency` is as in a latency profile."""

    device: str
    machine: str
    versions: Mapping[str, str]
    command: str
    network: str
    latency: Sequence[LatencyEntry]
    memory: MemoryUse
    graphs: Sequence[GraphTiming]
    inputs: Sequence[InputTiming]
    decoding: Sequence[DecodeTiming]
    tests: SuiteOutcome | None

    @property
    def passed(self) -> bool:
        """Whether no test failed; also where none was run."""
        return self.tests is None or self.tests.exit_status == 0

    def as_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return asdict(self)
