"""Experiment files: TOML read into pydantic models, for emulated and simulated experiments alike.

An error names the file, the table, the key and the rule; all mistakes of a file are reported
together. A file that is named in the TOML is looked for beside the TOML first, then relative to
the working folder.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo

from edge.base.validation import mistakes
from edge.profile.variant import LONG_SIDES, NETWORKS

TraceKind = Literal["wifi", "lte", "nr", "stepped"]
NETWORK_ALONE = ("first-network", "last-network")  # policies: of several networks, one is served
DEFAULT_ACCURACY = Path("profiles/accuracy-yolov4-tiny.json")


class SpecError(Exception):
    """An experiment file with mistakes: one line each, with file, key and rule."""


class SpecPart(BaseModel):
    """A table of an experiment file; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Part = TypeVar("Part", bound=SpecPart)


def find_file(named: Path, info: ValidationInfo) -> Path:
    """The file as it can be opened from the working folder. Raises ValueError if there is none."""
    folder: Path | None = info.context
    if folder is not None and (beside := folder / named).is_file():
        return beside
    if not named.is_file():
        raise ValueError(f"{named}: no such file, neither beside this file nor in {Path.cwd()}")
    return named


def _known_network(name: str) -> str:
    if name not in NETWORKS:
        raise ValueError(f"one of {', '.join(NETWORKS)}")
    return name


def _known_long_sides(long_sides: list[int]) -> list[int]:
    if not set(long_sides) <= set(LONG_SIDES):
        raise ValueError(f"{LONG_SIDES[0]} to {LONG_SIDES[-1]} in steps of 32")
    return sorted(set(long_sides))


ExistingFile = Annotated[Path, AfterValidator(find_file)]
NetworkName = Annotated[str, AfterValidator(_known_network)]
F1Factors = dict[NetworkName, Annotated[float, Field(gt=0, le=1)]]
LongSides = Annotated[list[int], Field(min_length=1), AfterValidator(_known_long_sides)]


class TraceSource(SpecPart):
    """A link's trace: a file, or a kind of generated trace.

    A generated trace differs from client to client (`seed` + the client's number), except
    `stepped`, which is not random. All clients share a file's trace. Each client starts `offset_s`
    seconds further into its trace than the one before.
    """

    name: str = ""
    file: ExistingFile | None = None
    kind: TraceKind | None = None
    seed: Annotated[int, Field(ge=0)] = 1
    offset_s: Annotated[float, Field(ge=0)] = 0.0

    @property
    def label(self) -> str:
        """Its name in the results."""
        return self.name or self.kind or (self.file.stem if self.file else "")


def family_mistakes(
    network: str, family: Sequence[str], factors: Sequence[str], where: str, policies: Sequence[str]
) -> list[str]:
    """What is wrong with further networks, with whose F1 is assumed, or with their policies.

    `where`: the key of the factors.
    """
    networks = [network, *family]
    found = []
    if again := repeated(networks):
        found.append(f"family: {', '.join(again)} is there already")
    if factors and set(factors) != set(networks):
        found.append(f"{where}: one for each of {', '.join(networks)}, and for no others")
    if not family and (alone := [name for name in policies if name in NETWORK_ALONE]):
        found.append(f"policies: {', '.join(alone)}: only where there is a `family`")
    return found


def repeated(names: Sequence[str]) -> list[str]:
    """The names that occur more than once."""
    return sorted({name for name in names if names.count(name) > 1})


def load_spec(path: Path, model: type[Part]) -> Part:
    """An experiment file. Raises SpecError."""
    try:
        data = tomllib.loads(path.read_text())
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise SpecError(f"{path}: not TOML: {error}") from error
    try:
        return model.model_validate(data, context=path.parent)
    except ValidationError as error:
        lines = mistakes(error, model)
        raise SpecError("\n".join(f"{path}: {each}" for each in lines)) from error
