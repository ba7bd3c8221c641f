"""A Darknet .cfg file's sections: `[type]` lines, each followed by `key=value` lines."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from pathlib import Path

from edge.models.cfg.model_error import ModelError

MAX_BYTES = 4_000_000  # the largest published description has 30 kB

_HEADING = re.compile(r"\[([\w-]+)\]")


@dataclass(slots=True)
class Section:
    """One `[kind]` of the file; `layer` counts from 0 after [net], as Darknet does."""

    path: Path
    kind: str
    line: int
    layer: int
    values: dict[str, str] = field(default_factory=dict)

    def error(self, rule: str) -> ModelError:
        """The error that names this section."""
        place = f"line {self.line}, [{self.kind}]"
        return ModelError(
            f"{self.path}: {place}: {rule}"
            if self.layer < 0
            else f"{self.path}: {place} (layer {self.layer}): {rule}"
        )

    def has(self, key: str) -> bool:
        return key in self.values

    def text(self, key: str, default: str) -> str:
        return self.values.get(key, default)

    def integer(self, key: str, default: int, least: int = 0, most: int = 1_000_000) -> int:
        """The key's whole number within these bounds; ModelError for another value."""
        (value,) = self.integers(key, (default,), least, most, count=1)
        return value

    def integers(
        self,
        key: str,
        default: tuple[int, ...],
        least: int,
        most: int = 1_000_000,
        count: int | None = None,
    ) -> tuple[int, ...]:
        """The key's whole numbers, comma-separated; ModelError unless there are `count` of them."""
        text = self.values.get(key)
        if text is None:
            return default
        try:
            found = tuple(int(part) for part in text.split(",") if part)
        except ValueError:
            raise self.error(f"{key}={text}: whole numbers are needed") from None
        if not found or (count is not None and len(found) != count):
            raise self.error(f"{key}={text}: {count or 'one or more'} whole numbers are needed")
        for value in found:
            if not least <= value <= most:
                raise self.error(f"{key}={text}: from {least:,} to {most:,}")
        return found

    def numbers(self, key: str, default: tuple[float, ...] = ()) -> tuple[float, ...]:
        """The key's finite numbers, comma-separated."""
        text = self.values.get(key)
        if text is None:
            return default
        try:
            found = tuple(float(part) for part in text.split(",") if part)
        except ValueError:
            raise self.error(f"{key}={text}: numbers are needed") from None
        if not found or not all(math.isfinite(value) for value in found):
            raise self.error(f"{key}={text}: finite numbers are needed")
        return found


def read_text(path: Path, what: str) -> str:
    """The text of a file; ModelError, with the reason, for one that holds none.

    `what` is the kind of file that is expected, in words.
    """
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise ModelError(f"{path}: a folder, not {what}")
        if size == 0:
            raise ModelError(f"{path}: empty, not {what}")
        if size > MAX_BYTES:
            raise ModelError(f"{path}: {size:,} bytes: not {what}, which is a short text")
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ModelError(f"{path}: not {what}: it holds no UTF-8 text") from None
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file") from None
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from None
    if "\0" in text:
        raise ModelError(f"{path}: not {what}: it holds binary data")
    return text


def read_sections(path: Path) -> list[Section]:
    """The file's sections in their order, [net] first; ModelError for a file that has none."""
    sections: list[Section] = []
    for number, raw in enumerate(read_text(path, "a Darknet .cfg file").splitlines(), start=1):
        line = re.sub(r"\s", "", re.split(r"[#;]", raw, maxsplit=1)[0])
        if not line:
            continue
        if (heading := _HEADING.fullmatch(line)) is not None:
            sections.append(Section(path, heading[1], number, len(sections) - 1))
            continue
        key, equals, value = line.partition("=")
        if not equals or not key or not sections:
            rule = "`[type]` or `key=value`" if sections else "a .cfg file begins with [net]"
            raise ModelError(f"{path}: line {number}: {_shown(raw)}: {rule}")
        sections[-1].values.setdefault(key, value)  # Darknet takes the first of two
    if not sections or sections[0].kind not in ("net", "network"):
        raise ModelError(f"{path}: no Darknet .cfg file: it does not begin with [net]")
    return sections


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 40 else text[:40] + "...")
