"""Loads and unloads models as the sessions present need them, within a limit of memory."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.models.registry.model import Model
from edge.models.weights import WEIGHTS
from edge.workers.handle import WorkerHandle
from edge.workers.pool import WorkerPool
from edge.workers.residency import Residency, Resident

log = get_logger(__name__)

# A worker's memory before one has been measured: that of its process, and of kernels, weights in
# the libraries' layout and activations, by the size of the files.
_PROCESS_BYTES, _FILE_FACTOR = 180 << 20, 4


class ModelKeeper:
    """`update` it once a second and when sessions come or go. On the event loop's thread."""

    def __init__(
        self,
        pool: WorkerPool,
        models: Iterable[Model],
        *,
        limit_mb: int | None,
        idle_s: float,
    ) -> None:
        """`limit_mb`: what all models of one device may take, None for any; `idle_s`: until a model
        that no session may use is unloaded."""
        self._pool = pool
        models = list(models)
        self._always = frozenset(model.name for model in models if not model.on_demand)
        self._sizes = {model.name: _expected_bytes(model) for model in models if model.on_demand}
        limit = None if limit_mb is None else limit_mb << 20
        self._residency = Residency(limit, 1000.0 * idle_s)
        self._no_room: tuple[str, ...] = ()

    def update(self, sessions: Sequence[Collection[str]]) -> None:
        """Take one step, if there is one; `sessions`: the models that may serve each."""
        if not self._sizes:
            return
        on_demand = self._pool.on_demand
        states = on_demand.states
        resident = {}
        for name, state in states.items():
            if state in ("loading", "ready", "unloading"):
                size = self._measured_bytes(name)
                if state == "ready" and size:
                    self._sizes[name] = size
                resident[name] = Resident(max(size, self._sizes[name]), on_demand.used_ms(name))
        decision = self._residency.decide(
            sessions,
            resident,
            {
                name: size
                for name, size in self._sizes.items()
                if name in resident or on_demand.may_load(name)
            },
            always=self._always,
            always_size=max(map(self._always_bytes, range(len(self._pool.status)))),
            now_ms=now_ms(),
            may_load=not on_demand.busy,
        )
        if decision.no_room != self._no_room:
            self._no_room = decision.no_room
            for name in decision.no_room:
                log.warning("model_has_no_room", model=name, expected_mb=self._sizes[name] >> 20)
        for name in decision.unload:
            on_demand.unload(name)
        if decision.load is not None:
            on_demand.load(decision.load)

    def why_not_loaded(self, networks: Sequence[str]) -> str:
        """In words, for a session that waits for one of these."""
        states = self._pool.on_demand.states
        failed = [each for each in networks if states.get(each) == "failed"]
        crowded = [each for each in networks if each in self._no_room]
        if len(failed) == len(networks):
            return f"{failed[0]} can't be loaded"
        if crowded:
            return f"the memory has no room for {crowded[0]}"
        return f"{' or '.join(networks)} is being loaded"

    def _measured_bytes(self, network: str) -> int:
        """Of a loaded model, on the device where it takes most."""
        return max(map(_bytes, self._pool.on_demand.handles(network)), default=0)

    def _always_bytes(self, device: int) -> int:
        """Of what is loaded from the start."""
        return _bytes(self._pool.workers(device)[0])


def _bytes(worker: WorkerHandle) -> int:
    """The memory of a worker's process; 0 where it is not known, as in a GPU."""
    if worker.pid is None or worker.device.startswith("cuda:"):
        return 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path(f"/proc/{worker.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return 0


def _expected_bytes(model: Model) -> int:
    files = [path.stat().st_size for path in model.files if path.is_file()]
    if not files and model.name in WEIGHTS:
        files = [WEIGHTS[model.name].size]
    return _PROCESS_BYTES + _FILE_FACTOR * sum(files)
