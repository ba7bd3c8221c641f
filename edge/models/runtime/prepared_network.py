"""Networks that were converted for OpenVINO and timed, once for each machine: kept in the cache.

A worker that finds its network here starts without PyTorch, which saves seconds and memory. Else
a process of its own, `python -m edge.models.runtime.prepare`, makes it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from edge.assets.store import fetch
from edge.base.directories import cache_dir, data_dir
from edge.base.event_log import get_logger
from edge.ipc.child_run import ChildRunError, run_child
from edge.models.heads import Head
from edge.models.runtime.openvino.openvino_library import OpenVinoError, is_installed
from edge.models.runtime.runtime_choice import RuntimeChoice
from edge.models.weights import CLASSES, WEIGHTS
from edge.profile.host import describe_machine, package_versions

log = get_logger("edge.models")

COMMAND = (sys.executable, "-P", "-m", "edge.models.runtime.prepare")
MODEL, DESCRIPTION = "model.xml", "description.json"

_LAYOUT = "1"  # of these folders; another one is not read
_KEPT = 8  # networks, of any machine and version; the least recently used go
_TIMEOUT_S = 100.0  # a worker that is silent for longer counts as hung


@dataclass(frozen=True, slots=True)
class PreparedNetwork:
    """A converted network: its file for OpenVINO, its heads, and what was timed on this machine."""

    model: Path
    heads: tuple[Head, ...]
    times_ms: Mapping[RuntimeChoice, float]


def prepared_network(
    name: str,
    weights: Path | None,
    report: Callable[[str], None] = lambda _text: None,
    *,
    cfg: Path | None = None,
    classes: int = CLASSES,
) -> PreparedNetwork:
    """The network called `name`, prepared now if need be; `weights` None: the published ones.

    `cfg` and `classes` are those of `load_network`.

    Raises OpenVinoError, with the reason, if it can't be prepared; AssetError and OSError if the
    weights can't be read.
    """
    if not is_installed():
        raise OpenVinoError("openvino is not installed")
    source = weights or fetch(WEIGHTS[name])
    # The cache of an image or a package may be read-only.
    folders = [
        parent / "openvino" / f"{name}-{_key(source, cfg)}"
        for parent in (cache_dir(), data_dir() / "cache")
    ]
    for folder in folders:
        if (found := _kept(folder)) is not None:
            return found
    report(f"preparing {name} for OpenVINO, once")
    failures = []
    for folder in folders:
        try:
            _prepare(name, source, folder, cfg, classes)
            _drop_oldest(folder.parent)
            return load(folder)
        except OSError as error:
            failures.append(f"{folder}: {error}")
    raise OpenVinoError("; ".join(failures))


def _kept(folder: Path) -> PreparedNetwork | None:
    try:
        found = load(folder)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.warning("prepared_network_unusable", folder=str(folder), error=str(error))
        shutil.rmtree(folder, ignore_errors=True)
        return None
    with contextlib.suppress(OSError):
        os.utime(folder)  # used now
    return found


def save(folder: Path, heads: Sequence[Head], times_ms: Mapping[RuntimeChoice, float]) -> None:
    """Write the description beside the model."""
    timed = [{**dataclasses.asdict(each), "ms": ms} for each, ms in times_ms.items()]
    description = {"heads": [dataclasses.asdict(head) for head in heads], "timed": timed}
    (folder / DESCRIPTION).write_text(json.dumps(description, indent=1))


def load(folder: Path) -> PreparedNetwork:
    """What `save` wrote; FileNotFoundError if nothing, ValueError, KeyError or TypeError if odd."""
    description = json.loads((folder / DESCRIPTION).read_text())
    heads = []
    for head in description["heads"]:
        anchors = tuple((float(width), float(height)) for width, height in head.pop("anchors"))
        heads.append(Head(anchors=anchors, **head))
    timed = {
        RuntimeChoice(each["runtime"], each["precision"]): float(each["ms"])
        for each in description["timed"]
    }
    return PreparedNetwork(folder / MODEL, tuple(heads), timed)


def _key(weights: Path, cfg: Path | None) -> str:
    """Names all that a prepared network depends on."""
    described = None if cfg is None else cfg.read_text(encoding="utf-8", errors="replace")
    with weights.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    versions = package_versions("openvino", "torch", "numpy")
    text = json.dumps([_LAYOUT, content, described, versions, describe_machine()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _prepare(name: str, weights: Path, folder: Path, cfg: Path | None, classes: int) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".prepare-") as scratch:
        arguments = [name, str(weights), scratch, str(classes)]
        arguments += [] if cfg is None else [str(cfg)]
        try:
            run_child(COMMAND, arguments, _TIMEOUT_S)
        except ChildRunError as error:
            raise OpenVinoError(f"{name} can't be prepared: {error}") from None
        made = Path(scratch) / "made"
        try:
            made.rename(folder)  # atomic: of two workers at once, one is the first
        except OSError:
            if not (folder / DESCRIPTION).is_file():
                raise


def _drop_oldest(parent: Path) -> None:
    folders = [each for each in parent.iterdir() if not each.name.startswith(".")]
    folders.sort(key=lambda each: each.stat().st_mtime, reverse=True)
    for folder in folders[_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)
