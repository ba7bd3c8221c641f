"""Darknet models made up for tests: a description, random weights, names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge.models import darknet
from edge.models.cfg.cfg_file import read_cfg
from edge.models.cfg.cfg_network import build

from ..conftest import randomize
from ..darknet_config import small


def write_model(
    folder: Path, classes: int = 3, name: str = "mine", text: str | None = None
) -> tuple[Path, Path, Path]:
    """The paths of its .cfg, .weights and .names."""
    cfg, weights, names = (folder / f"{name}.{kind}" for kind in ("cfg", "weights", "names"))
    cfg.write_text(text or small(classes=classes))
    darknet.save(weights, randomize(build(read_cfg(cfg))))
    names.write_text(lines(classes))
    return cfg, weights, names


def lines(classes: int) -> str:
    return "".join(f"class {number}\n" for number in range(classes))


def table(name: str = "mine", **values: str | Sequence[int]) -> str:
    """A table [[models]] of the settings."""
    rows = [f'name = "{name}"']
    for key, value in values.items():
        rows.append(f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {list(value)}")
    return "\n".join(["[[models]]", *rows, ""])
