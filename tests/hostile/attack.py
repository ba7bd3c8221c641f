"""The two kinds of attack."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.hostile.peer import HostilePeer

ATTACK_S = 8.0  # then the attack stops, wherever it is
NOTICE_S = 3.0  # after the attack: the server may still end the offender


@dataclass(frozen=True)
class PeerAttack:
    """By a connected peer. `must_end`: the server has to end its session within a second."""

    name: str
    text: str
    run: Callable[[HostilePeer], Awaitable[None]]
    must_end: bool = False
    newcomer: bool = False


@dataclass(frozen=True)
class HttpAttack:
    """By HTTP clients without a session; `run(url)` returns what the server did, in words.

    `newcomer`: an honest publisher that comes during the attack has to be served.
    """

    name: str
    text: str
    run: Callable[[str], Awaitable[str]]
    newcomer: bool = False
    must_end: bool = False


Attack = PeerAttack | HttpAttack
