"""Mistakes in files are reported by place, key and rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.base.validation import mistakes


class Wheel(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int


@dataclass
class Seat:
    colour: str


class Bike(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    wheels: Annotated[list[Wheel], Field(max_length=2)] = []
    seat: Seat | None = None
    tags: list[str | list[str]] = []


def found(data: object) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        Bike.model_validate(data)
    return mistakes(caught.value, Bike)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        ({}, ["missing key `name`"]),
        ({"nmae": "x"}, ["unknown key `nmae`; did you mean `name`?"]),
        ({"name": "x", "zzz": 1}, ["unknown key `zzz`"]),
        (
            {"name": "x", "wheels": [{"size": 1}, {"sise": 2}]},
            ["wheels[1]: unknown key `sise`; did you mean `size`?"],
        ),
        ({"name": "x", "wheels": [3]}, ["wheels[0]: must be an object"]),
        ([], ["must be an object"]),
        ({"name": "x", "wheels": [{}]}, ["wheels[0]: missing key `size`"]),
    ],
)
def test_each_mistake_has_a_line(data: object, lines: list[str]) -> None:
    assert found(data) == lines


def test_all_mistakes_are_reported() -> None:
    lines = found({"nmae": "x", "wheels": [{"size": "big"}]})
    assert lines[0] == "unknown key `nmae`; did you mean `name`?"
    assert lines[1].startswith("wheels[0].size: input should be a valid integer")
    assert len(lines) == 2


def test_the_types_of_a_union_are_not_part_of_the_place() -> None:
    assert all(line.startswith("tags[0]: ") for line in found({"name": "x", "tags": [7]}))
