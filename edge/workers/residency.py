"""Which models a device's memory holds: those that sessions may use, as far as there is room. Pure.

Models that are loaded at the start stay. Of the others, one that a session waits for comes first,
then those by which sessions could be served better. A model that no session may use goes once it
has been idle for a while, or at once where another needs its room.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resident:
    """A model in memory: its bytes, and when it last ran a batch (ms)."""

    size: int
    used_ms: float


@dataclass(frozen=True, slots=True)
class Residence:
    """What to do now: unload these, then load that one. `no_room`: sessions wait for those, and the
    memory does not hold them beside what others depend on."""

    unload: tuple[str, ...] = ()
    load: str | None = None
    no_room: tuple[str, ...] = ()


class Residency:
    """Decides for models that are loaded on demand; `limit` None: the memory is not limited."""

    def __init__(self, limit: int | None, idle_ms: float) -> None:
        """`limit` is in bytes and includes what is always loaded; `idle_ms`: until an unused model
        is unloaded."""
        self._limit = limit
        self._idle_ms = idle_ms
        self._needed_ms: dict[str, float] = {}

    def decide(
        self,
        sessions: Sequence[Collection[str]],
        resident: Mapping[str, Resident],
        sizes: Mapping[str, int],
        *,
        always: Collection[str],
        always_size: int,
        now_ms: float,
        may_load: bool = True,
    ) -> Residence:
        """One step; `sessions`: the models that may serve each, oldest session first.

        `sizes`: the expected bytes of every model that may be loaded now. The models of `always`,
        which are loaded from the start, take `always_size` bytes together. Without `may_load`
        nothing is loaded: one is loading already.
        """
        demand = _Demand.of(sessions, resident, sizes, always)
        for name in {name for session in sessions for name in session}:
            self._needed_ms[name] = now_ms
        idle = [
            name
            for name in resident
            if now_ms - self._needed_ms.setdefault(name, now_ms) >= self._idle_ms
        ]
        if idle or not may_load:
            return Residence(unload=tuple(idle))
        used = always_size + sum(each.size for each in resident.values())
        no_room: list[str] = []
        for name in (*demand.urgent, *demand.better):
            is_urgent = name in demand.urgent
            victims = self._victims(used + sizes[name], resident, demand, is_urgent=is_urgent)
            if victims is not None:
                # Their memory has to be free before it is taken again.
                load = None if victims else name
                return Residence(unload=victims, load=load, no_room=tuple(no_room))
            if is_urgent:
                no_room.append(name)
        return Residence(no_room=tuple(no_room))

    def _victims(
        self, needed: int, resident: Mapping[str, Resident], demand: _Demand, *, is_urgent: bool
    ) -> tuple[str, ...] | None:
        """The models to unload so that `needed` bytes fit; None if they can't."""
        if self._limit is None or needed <= self._limit:
            return ()
        candidates = [name for name in resident if is_urgent or name not in demand.used]
        candidates.sort(key=lambda name: (name in demand.used, resident[name].used_ms))
        victims: list[str] = []
        for name in candidates:
            if any(kept <= {*victims, name} for kept in demand.kept):
                continue
            victims.append(name)
            needed -= resident[name].size
            if needed <= self._limit:
                return tuple(victims)
        return None


@dataclass(frozen=True, slots=True)
class _Demand:
    """`urgent`: not loaded, and a session has nothing else; `better`: not loaded, and a session has
    something else; `used`: a session may use it. Of each set in `kept`, all of them loaded, one has
    to stay: a session has nothing else."""

    urgent: tuple[str, ...]
    better: tuple[str, ...]
    kept: frozenset[frozenset[str]]
    used: frozenset[str]

    @classmethod
    def of(
        cls,
        sessions: Sequence[Collection[str]],
        resident: Mapping[str, Resident],
        sizes: Mapping[str, int],
        always: Collection[str],
    ) -> _Demand:
        urgent: dict[str, None] = {}
        better: dict[str, None] = {}
        kept: set[frozenset[str]] = set()
        used: set[str] = set()
        for models in sessions:
            used.update(models)
            absent = sorted(
                (name for name in models if name not in resident and name in sizes),
                key=lambda name: (sizes[name], name),
            )
            present = [name for name in models if name in resident]
            has_always = any(name in always for name in models)
            if present and not has_always:
                kept.add(frozenset(present))
            if absent and not has_always and not present:
                urgent[absent[0]] = None
                absent = absent[1:]
            better.update(dict.fromkeys(absent))
        rest = sorted((name for name in better if name not in urgent), key=sizes.__getitem__)
        return cls(tuple(urgent), tuple(rest), frozenset(kept), frozenset(used))
