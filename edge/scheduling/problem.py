"""A scheduling problem: GPUs, variants with their latencies, clients with their budgets.

The words are the Jellyfish paper's (RTSS 2022): in the server, a client is a session and a GPU any
inference device.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.base.validation import mistakes

MAX_MS = 1e6  # no latency or budget above this makes sense, and sums of them stay exact
MAX_GPUS, MAX_BATCH = 1024, 1024


class ProblemError(ValueError):
    """A malformed problem; the message is one line that names field and rule."""


class CyclesError(ValueError):
    """A problem with too many possible cycles for the exact solver."""


@dataclass(frozen=True, slots=True)
class ProblemVariant:
    """A network at an input size: accuracy, and latency in ms of batches 1, 2, ..."""

    name: str
    accuracy: float
    latency_ms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ProblemClient:
    """A client: frames a second, and the latency budget that its SLO leaves each variant, in ms.

    `accuracy`, if given, has one value for each variant, which replace the variants' own: a
    variant's accuracy depends on the client's pictures.
    """

    id: str
    fps: float
    budget_ms: tuple[float, ...]
    accuracy: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """The whole input of a solver.

    `current` has the names of the variants resident on each GPU; None if they are unknown or don't
    matter. GPUs are alike. Times are compared to the nanosecond and rates to the micro-hertz.
    """

    gpus: int
    variants: tuple[ProblemVariant, ...]
    clients: tuple[ProblemClient, ...]
    current: tuple[tuple[str, ...], ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises ProblemError where parts don't fit together."""
        count = len(self.variants)
        for field, names in (
            ("variants", [variant.name for variant in self.variants]),
            ("clients", [client.id for client in self.clients]),
        ):
            name, times = Counter(names).most_common(1)[0] if names else ("", 0)
            if times > 1:
                raise ProblemError(f"{field}: {name!r} occurs {times} times")
        for index, client in enumerate(self.clients):
            for key, values in (("budget_ms", client.budget_ms), ("accuracy", client.accuracy)):
                if values is not None and len(values) != count:
                    raise ProblemError(
                        f"clients[{index}].{key}: must have one value for each of the"
                        f" {count} variants, has {len(values)}"
                    )
        if self.current is not None and len(self.current) != self.gpus:
            raise ProblemError(
                f"current: must have one entry for each of the {self.gpus} GPUs,"
                f" has {len(self.current)}"
            )

    def accuracy(self, client: ProblemClient, variant: int) -> float:
        """The accuracy on the client's pictures of the variant of that index."""
        return (client.accuracy or self._accuracies)[variant]

    @property
    def _accuracies(self) -> tuple[float, ...]:
        return tuple(variant.accuracy for variant in self.variants)

    @classmethod
    def parse(cls, data: Any) -> Problem:
        """A problem from its parsed JSON (docs/formats/solve.md). Raises ProblemError."""
        if not isinstance(data, dict):
            raise ProblemError("problem: must be a JSON object")
        try:
            read = _Problem.model_validate(data)
        except ValidationError as error:
            raise ProblemError(mistakes(error, _Problem)[0]) from error
        return cls(
            gpus=read.gpus,
            variants=tuple(ProblemVariant(v.name, v.accuracy, v.latency_ms) for v in read.variants),
            clients=tuple(
                ProblemClient(c.id, c.fps, c.budget_ms, c.accuracy) for c in read.clients
            ),
            current=None if read.current is None else tuple(map(_names, read.current)),
            seed=read.seed,
        )


_Accuracy = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
_Latency = Annotated[float, Field(ge=1e-6, le=MAX_MS)]
_Budget = Annotated[float, Field(ge=-MAX_MS, le=MAX_MS)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Variant(_Strict):
    name: Annotated[str, Field(min_length=1)]
    accuracy: _Accuracy
    latency_ms: Annotated[
        tuple[_Latency, ...], Field(min_length=1, max_length=MAX_BATCH, strict=False)
    ]


class _Client(_Strict):
    id: str
    fps: Annotated[float, Field(ge=1e-6, le=1000)]
    budget_ms: Annotated[tuple[_Budget, ...], Field(strict=False)]
    accuracy: Annotated[tuple[_Accuracy, ...], Field(strict=False)] | None = None


class _Problem(_Strict):
    gpus: Annotated[int, Field(ge=0, le=MAX_GPUS)]
    variants: list[_Variant]
    clients: list[_Client]
    current: list[str | list[str] | None] | None = None
    seed: Annotated[int, Field(ge=0)] = 0


def _names(entry: str | list[str] | None) -> tuple[str, ...]:
    if entry is None:
        return ()
    return (entry,) if isinstance(entry, str) else tuple(entry)
