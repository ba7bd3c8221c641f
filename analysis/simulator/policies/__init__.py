"""The policies that are compared: what clients send, and how their frames are served."""

from __future__ import annotations

from collections.abc import Callable

from analysis.simulator.policies.base import Policy
from analysis.simulator.policies.fixed import Largest, Smallest
from analysis.simulator.policies.jellyfish import Jellyfish, JellyfishVideo
from analysis.simulator.policies.planned import (
    DataOnly,
    DnnOnly,
    FirstNetwork,
    LastNetwork,
    Ours,
)
from analysis.simulator.run import SimulationRun
from analysis.simulator.specification import PolicyName

__all__ = ["POLICY", "Policy"]

POLICY: dict[PolicyName, Callable[[SimulationRun], Policy]] = {
    "ours": Ours,
    "jellyfish": Jellyfish,
    "jellyfish-video": JellyfishVideo,
    "largest": Largest,
    "smallest": Smallest,
    "data-only": DataOnly,
    "dnn-only": DnnOnly,
    "first-network": FirstNetwork,
    "last-network": LastNetwork,
}
