"""The mistakes that pydantic finds in a file that people write, a line each."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Model = type[Any]
"""A pydantic model or a dataclass."""


def mistakes(error: ValidationError, model: Model) -> list[str]:
    """A line for each mistake: `grids[0].fps: input should be a valid number`.

    A missing key that was misspelt is reported once, as the unknown key.
    """
    return list(_lines(error.errors(include_url=False), model))


def _lines(errors: Sequence[ErrorDetails], model: Model) -> Iterator[str]:
    misspelt: set[tuple[int | str, ...]] = set()
    for error in errors:
        *table, key = error["loc"] or ("",)
        if error["type"] in _UNKNOWN_KEY:
            near = _nearest(str(key), _model_at(model, table))
            misspelt.add((*table, near))
            suggestion = f"; did you mean `{near}`?" if near else ""
            place, _ = _place(model, table)
            yield _line(place, f"unknown key `{key}`{suggestion}")
    for error in errors:
        *table, key = error["loc"] or ("",)
        if error["type"] in _MISSING_KEY:
            if error["loc"] not in misspelt:
                place, _ = _place(model, table)
                yield _line(place, f"missing key `{key}`")
        elif error["type"] in _NO_OBJECT:
            yield _line(_place(model, error["loc"])[0], "must be an object")
        elif error["type"] not in _UNKNOWN_KEY:
            for message in error["msg"].removeprefix("Value error, ").splitlines():
                yield _line(_place(model, error["loc"])[0], message[0].lower() + message[1:])


_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
_NO_OBJECT = ("model_type", "dict_type")
_MISSING_KEY = ("missing", "missing_argument")


def _nearest(key: str, model: Model | None) -> str:
    if model is None:
        names = []
    elif issubclass(model, BaseModel):
        names = list(model.model_fields)
    else:
        names = [field.name for field in dataclasses.fields(model)]
    return next(iter(difflib.get_close_matches(key, names, n=1)), "")


def _model_at(model: Model, loc: Sequence[int | str]) -> Model | None:
    """The model of the table at that place of the file."""
    return _place(model, loc)[1]


def _place(model: Model, loc: Sequence[int | str]) -> tuple[list[int | str], Model | None]:
    """The place without pydantic's tags of unions' arms, and the model there."""
    place: list[int | str] = []
    arms: list[Model] = [model]
    for part in loc:
        tagged = [arm for arm in arms if len(arms) > 1 and _has_tag(arm, part)]
        if tagged:
            arms = tagged
            continue
        place.append(part)
        if isinstance(part, str):
            at = next(iter(arms), None)
            is_model = at is not None and issubclass(at, BaseModel)
            field = at.model_fields.get(part) if at is not None and is_model else None
            arms = [] if field is None and is_model else arms
            arms = [*_models_in(field.annotation)] if field is not None else arms
    return place, next(iter(arms), None)


def _has_tag(model: Model, part: int | str) -> bool:
    """Whether `part` is a fixed value of the model: what tells it from a union's other arms."""
    fields = model.model_fields.values() if issubclass(model, BaseModel) else ()
    return any(
        get_origin(field.annotation) is Literal and get_args(field.annotation) == (part,)
        for field in fields
    )


def _models_in(annotation: Any) -> Iterator[Model]:
    if isinstance(annotation, type) and (
        issubclass(annotation, BaseModel) or dataclasses.is_dataclass(annotation)
    ):
        yield annotation
        return
    for each in get_args(annotation):
        yield from _models_in(each)


def _line(loc: Sequence[int | str], message: str) -> str:
    """`grids[0].fps: message`; tables of an array are counted from 0."""
    parts = [part for part in loc if part not in _UNION_ARMS]
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return f"{place.removeprefix('.')}: {message}" if place else message


_UNION_ARMS = ("str", "list[str]", "tuple[...]")  # pydantic's names of the types that it tried
