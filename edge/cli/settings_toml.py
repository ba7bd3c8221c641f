"""The settings in force as commented TOML: edge.toml with its values filled in, without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from edge.assets.resources import resource
from edge.config import Settings

TEMPLATE = resource("edge.toml")
HIDDEN = "(set, not shown)"

_KEY = re.compile(r"^#?(\w+) = ")


def render(settings: Settings, template: Path = TEMPLATE) -> str:
    """edge.toml with each key's value in force.

    Keys that are not set stay comments. So do secrets, which are only marked as set.
    """
    lines = []
    for line in template.read_text(encoding="utf-8").splitlines():
        match = _KEY.match(line)
        lines.append(line if match is None else _line(line, match[1], settings))
    head = (
        "# The settings in force, by `python -m edge serve --print-config`. A key that stands as a"
    )
    return "\n".join([head, "# comment is not set, or is a secret.", "", *lines[3:]]) + "\n"


def _line(line: str, key: str, settings: Settings) -> str:
    value = getattr(settings, key)
    if value is None:
        return line if line.startswith("#") else f"#{line}"
    text = toml(value)
    return f"{'#' if json.dumps(HIDDEN) in text else ''}{key} = {text}"


def toml(value: Any) -> str:
    """A value as TOML on one line."""
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case SecretStr():
            return json.dumps(HIDDEN)
        case BaseModel():
            given = {name: each for name, each in value if each is not None}
            return "{ " + ", ".join(f"{name} = {toml(each)}" for name, each in given.items()) + " }"
        case list() | tuple():
            items: Iterable[Any] = value
            return "[" + ", ".join(toml(each) for each in items) + "]"
        case _:
            return json.dumps(str(value), ensure_ascii=False)  # TOML's basic strings are JSON's
