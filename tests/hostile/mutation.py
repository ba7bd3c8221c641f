"""Inputs that are almost right."""

from __future__ import annotations

import random

_EDGES = (0, 1, 2, 3, 4, 0x7F, 0x80, 0xFF)


def mutated(rng: random.Random, original: bytes) -> bytes:
    """Some bytes changed, and now and then a part cut out, repeated or appended."""
    changed = bytearray(original)
    for _ in range(rng.choice((0, 1, 1, 2, 8))):
        if changed:
            at = rng.randrange(len(changed))
            changed[at] = rng.choice(_EDGES) if rng.random() < 0.5 else rng.randrange(256)
    at = rng.randrange(len(changed) + 1)
    fate = rng.random()
    if fate < 0.05:
        del changed[at:]
    elif fate < 0.1:
        del changed[at : at + rng.randrange(1, 9)]
    elif fate < 0.15:
        changed[at:at] = changed[at : at + rng.randrange(1, 400)] * rng.choice((1, 2, 30))
    elif fate < 0.2:
        changed += rng.randbytes(rng.randrange(1, 300))
    return bytes(changed[:65_000])
