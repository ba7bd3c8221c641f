"""A scheduling problem: GPUs, variants with their latencies, clients with their budgets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MAX_MS = 1e6  # no latency or budget above this makes sense, and sums of them stay exact
MAX_GPUS, MAX_BATCH = 1024, 1024


class ProblemError(ValueError):
    """A malformed problem; the message is one line that names the field."""


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
    """A client: frames a second, and for each variant what is left of its SLO, in ms.

    `accuracy`, where given, has one value for each variant and stands in for the variants' own:
    what a client sends decides what a variant makes of it.
    """

    id: str
    fps: float
    budget_ms: tuple[float, ...]
    accuracy: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that a solver may know.

    `current` holds the names of the variants resident on each GPU, or is None when that is
    unknown or of no matter. GPUs are alike. Times are compared to the nanosecond and rates to
    the micro-hertz.
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
                raise ProblemError(f"{field}: {name!r} is there {times} times")
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
        """What the variant of that index makes of the client's pictures."""
        return (client.accuracy or self._accuracies)[variant]

    @property
    def _accuracies(self) -> tuple[float, ...]:
        return tuple(variant.accuracy for variant in self.variants)

    @classmethod
    def parse(cls, data: Any) -> Problem:
        """A problem from its parsed JSON; raises ProblemError naming the first bad field."""
        if not isinstance(data, dict):
            raise ProblemError("problem: must be a JSON object")
        try:
            read = _Problem.model_validate(data)
        except ValidationError as error:
            raise ProblemError(_first(error)) from error
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
    model_config = ConfigDict(strict=True, extra="ignore")


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


def _first(error: ValidationError) -> str:
    """`clients[3].fps: Input should be a valid number`, of the first of the errors."""
    first = error.errors()[0]
    path = ""
    for part in first["loc"]:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in ("str", "list[str]", "tuple[...]"):  # which arm of a union it tried
            continue
        else:
            path += f".{part}" if path else part
    message = first["msg"].replace("\n", " ")
    return f"{path}: {message[:1].lower()}{message[1:]}"
