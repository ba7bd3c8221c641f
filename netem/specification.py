"""Experiment files: TOML read into pydantic models, for emulated and simulated experiments alike.

An error names the file, the table, the key and the rule; all mistakes of a file are reported
together. A file that is named in the TOML is looked for beside the TOML first, then relative to
the working folder.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails

from edge.profile.variant import LONG_SIDES, NETWORKS

TraceKind = Literal["wifi", "lte", "nr", "stepped"]
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
        mistakes = _mistakes(error.errors(), model)
        raise SpecError("\n".join(f"{path}: {each}" for each in mistakes)) from error


def _mistakes(errors: Sequence[ErrorDetails], model: type[SpecPart]) -> Iterator[str]:
    """A line for each error; a missing key that was misspelt is reported as the unknown one."""
    misspelt: set[tuple[int | str, ...]] = set()
    for error in errors:
        if error["type"] == "extra_forbidden":
            *table, key = error["loc"]
            near = _nearest(str(key), _model_at(model, table))
            misspelt.add((*table, near))
            yield _line(
                table, f"unknown key `{key}`" + (f"; did you mean `{near}`?" if near else "")
            )
    for error in errors:
        *table, key = error["loc"] or ("",)
        if error["type"] == "missing":
            if error["loc"] not in misspelt:
                yield _line(table, f"missing key `{key}`")
        elif error["type"] != "extra_forbidden":
            for message in error["msg"].removeprefix("Value error, ").splitlines():
                yield _line(error["loc"], message[0].lower() + message[1:])


def _nearest(key: str, model: type[BaseModel] | None) -> str:
    names = list(model.model_fields) if model is not None else []
    return next(iter(difflib.get_close_matches(key, names, n=1)), "")


def _model_at(model: type[BaseModel], loc: Sequence[int | str]) -> type[BaseModel] | None:
    """The model of the table at that place of the file."""
    at: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, str) and at is not None:
            field = at.model_fields.get(part)
            at = _model_in(field.annotation) if field is not None else None
    return at


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_in(each))), None)


def _line(loc: Sequence[int | str], message: str) -> str:
    """`grids[0].fps: message`; tables of an array are counted from 0."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return f"{place.removeprefix('.')}: {message}" if place else message
