"""Accuracy profiles as JSON files; `docs/formats/profiles.md` specifies the format."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.base.validation import mistakes
from edge.profile.accuracy import AccuracyError, AccuracyProfile, AccuracyRow


class _Row(BaseModel):
    """A measurement as in the file; `AccuracyProfile` checks the values."""

    model_config = ConfigDict(extra="forbid")

    network: str
    clip: str
    codec: str
    sent_edge: int
    pixels: int
    kbps: float
    bits: float
    f1: dict[int, float]
    ap: dict[int, float]
    absolute: dict[int, dict[str, float]] = {}
    f1_interval: dict[int, tuple[float, float]] = {}


class _AccuracyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rows: Annotated[list[_Row], Field(min_length=1)]
    reference: str = ""
    clips: dict[str, str] = {}
    machine: str = ""
    versions: dict[str, str] = {}
    command: str = ""


def load_accuracy_profile(path: Path, *, as_network: str | None = None) -> AccuracyProfile:
    """Reads a profile. Raises AccuracyError for a malformed one, OSError as `open` does.

    `as_network` is that of `AccuracyProfile`.
    """
    try:
        file = _AccuracyFile.model_validate(json.loads(path.read_text()))
    except ValidationError as error:
        raise AccuracyError(f"{path}: {mistakes(error, _AccuracyFile)[0]}") from error
    except ValueError as error:
        raise AccuracyError(f"{path}: not JSON: {error}") from error
    try:
        return AccuracyProfile(
            [AccuracyRow(**row.model_dump()) for row in file.rows],
            reference=file.reference,
            clips=file.clips,
            machine=file.machine,
            versions=file.versions,
            command=file.command,
            as_network=as_network,
        )
    except AccuracyError as error:
        raise AccuracyError(f"{path}: {error}") from error


def save_accuracy_profile(profile: AccuracyProfile, path: Path) -> None:
    """Writes the file whole or not at all, one row a line."""
    head = json.dumps(
        {
            "machine": profile.machine,
            "versions": profile.versions,
            "command": profile.command,
            "reference": profile.reference,
            "clips": profile.clips,
        },
        indent=2,
    )
    lines = ",\n".join("    " + json.dumps(_plain(row)) for row in profile.rows)
    partial = path.with_name(f".{path.name}.part")
    partial.write_text(f'{head[:-2]},\n  "rows": [\n{lines}\n  ]\n}}\n')
    partial.replace(path)


def _plain(row: AccuracyRow) -> dict[str, Any]:
    plain = asdict(row)
    for name in ("absolute", "f1_interval"):
        if not plain[name]:
            del plain[name]
    return plain
