"""Sessions whose networks are not in the devices' memory: they wait, and no plan counts them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from edge.profile.variant import SENT_LONG_SIDES, Variant
from edge.scheduling.assignment import Assignment, SessionSnapshot


def split(
    snapshots: Iterable[SessionSnapshot], is_loaded: Callable[[str], bool] | None
) -> tuple[list[SessionSnapshot], list[SessionSnapshot]]:
    """Those that can be planned, with the networks that are loaded, and those that have to wait.

    `is_loaded` None: all networks are. A session that names none has the default, which always is.
    """
    if is_loaded is None:
        return list(snapshots), []
    planned, waiting = [], []
    for snapshot in snapshots:
        loaded = tuple(filter(is_loaded, snapshot.networks))
        pin = snapshot.pins.variant
        needed = None if pin is None else Variant.parse(pin).network
        if snapshot.networks and (not loaded or needed not in (None, *loaded)):
            waiting.append(snapshot if needed is None else replace(snapshot, networks=(needed,)))
        else:
            planned.append(replace(snapshot, networks=loaded))
    return planned, waiting


def waiting_assignment(snapshot: SessionSnapshot, reason: str) -> Assignment:
    """What such a session gets: it need send little until there is something to answer it."""
    long_side = snapshot.sent_long_side or SENT_LONG_SIDES[0]
    return Assignment(None, long_side, 0.0, 0.0, f"not served: {reason}")
