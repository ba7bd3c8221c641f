"""Which node a newcomer is offered to. Pure, but for chance.

The least loaded of three drawn at random, rather than of all: directors that know the same beats
and not each other's placements would all choose the same node until its next beat (the power of
two choices: Mitzenmacher, 2001).
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable

from edge.fleet.known_node import KnownNode

DRAWN = 3


def choose(
    nodes: Iterable[KnownNode],
    now_ms: float,
    chance: random.Random,
    tried: Collection[str] = (),
    *,
    refused: bool = False,
) -> KnownNode | None:
    """The node for one more session; None if none takes any.

    Nodes in `tried` have refused it, or not answered. Where no node is known to have room, one is
    asked nevertheless, unless one has `refused` already: its refusal is better informed, and tells
    the objective that would do.
    """
    able = [node for node in nodes if node.name not in tried and node.takes_sessions(now_ms)]
    roomy = [node for node in able if node.room > 0]
    drawn_from = roomy if roomy or refused else able
    drawn = chance.sample(drawn_from, min(DRAWN, len(drawn_from)))
    return min(drawn, key=lambda node: node.load, default=None)
