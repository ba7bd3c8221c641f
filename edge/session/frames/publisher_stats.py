"""The `stats` message: a session's figures for its publisher."""

from __future__ import annotations

from typing import Any

from edge.adaptation.hint_controller import Hint
from edge.rtc.peer_connection import PeerConnection
from edge.session.frames.frame_accounting import FrameAccounting
from edge.session.view import fields_of


def stats(frames: FrameAccounting, peer: PeerConnection, hint: Hint | None) -> dict[str, Any]:
    """Its fields; sent once a second, counts are since the start."""
    network = {f"p{q}": frames.budget.quantile("network", q / 100) for q in (50, 99)}
    return {
        "link_bps": peer.estimator.capacity_bps,
        "network_ms": {name: ms for name, ms in network.items() if ms is not None},
        "misses": frames.statistics.drops,
        "packets": fields_of(peer.counts),
        "variant": hint.variant if hint else None,
        "edge": max(frames.size) if frames.size else None,
    }
