"""Accuracy that is assumed, not measured: one network's figures times a factor, for others.

Experiments with simulated devices use it where a network's weights are not at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from edge.profile.accuracy import AccuracyError, AccuracyProfile


def assume(
    profile: AccuracyProfile, as_network: str | None, factors: Mapping[str, float]
) -> AccuracyProfile:
    """A profile of the networks in `factors` alone, each with the rows of `as_network` times its
    factor, so that their F1 is on one scale. Without factors the profile itself.

    Raises AccuracyError if there are no such rows.
    """
    if not factors:
        return profile
    rows = [row for row in profile.rows if row.network == as_network]
    if not rows:
        raise AccuracyError(f"as_network: {as_network} was not measured")
    return AccuracyProfile(
        [
            replace(
                row,
                network=network,
                f1={side: factor * f1 for side, f1 in row.f1.items()},
                f1_interval={
                    side: (factor * low, factor * high)
                    for side, (low, high) in row.f1_interval.items()
                },
            )
            for network, factor in factors.items()
            for row in rows
        ],
        reference=profile.reference,
        clips=profile.clips,
        machine=f"ASSUMED, from figures of: {profile.machine}",
        versions=profile.versions,
        command=profile.command,
    )
