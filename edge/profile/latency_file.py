"""Latency profiles as JSON files; `docs/formats/profiles.md` specifies the format."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.base.validation import mistakes
from edge.profile.latency import MAX_BATCH, LatencyEntry, LatencyProfile


class ProfileError(ValueError):
    """A latency profile that can't be used; the message names file, field and rule."""


class _Entry(BaseModel):
    """A measurement as in the file; `LatencyEntry` checks the values."""

    model_config = ConfigDict(extra="forbid")

    variant: str
    width: int
    height: int
    batch: int
    p50_ms: float
    p99_ms: float


class _LatencyFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    entries: Annotated[list[_Entry], Field(min_length=1)]
    device: str = ""
    machine: str = ""
    versions: dict[str, str] = {}
    command: str = ""
    max_batch: Annotated[int, Field(ge=1, le=MAX_BATCH)] | None = None


def load_latency_profile(path: Path) -> LatencyProfile:
    """Reads a profile. Raises ProfileError for a malformed one, OSError as `open` does."""
    try:
        file = _LatencyFile.model_validate(json.loads(path.read_text()))
    except ValidationError as error:
        raise ProfileError(f"{path}: {mistakes(error, _LatencyFile)[0]}") from error
    except ValueError as error:
        raise ProfileError(f"{path}: not JSON: {error}") from error
    entries = []
    for index, entry in enumerate(file.entries):
        try:
            entries.append(LatencyEntry(**entry.model_dump()))
        except ValueError as error:
            raise ProfileError(f"{path}: entries[{index}]: {error}") from error
    return LatencyProfile(
        entries,
        device=file.device,
        machine=file.machine,
        versions=file.versions,
        command=file.command,
        max_batch=file.max_batch,
    )


def save_latency_profile(profile: LatencyProfile, path: Path) -> None:
    """Writes the declared entries (not what was observed), one a line."""
    head = json.dumps(
        {
            "device": profile.device,
            "machine": profile.machine,
            "versions": profile.versions,
            "command": profile.command,
            "max_batch": profile.max_batch,
        },
        indent=2,
    )
    lines = ",\n".join("    " + json.dumps(asdict(entry)) for entry in profile.entries)
    path.write_text(f'{head[:-2]},\n  "entries": [\n{lines}\n  ]\n}}\n')
