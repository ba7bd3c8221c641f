"""What a run is made under: who sends what, and who serves it with what."""

from __future__ import annotations

from collections.abc import Callable

from analysis.policies.base import Policy
from analysis.policies.fixed import Largest, Smallest
from analysis.policies.jellyfish import Jellyfish, JellyfishVideo
from analysis.policies.planned import DataOnly, DnnOnly, Ours
from analysis.run import Run
from analysis.spec import PolicyName

__all__ = ["POLICY", "Policy"]

POLICY: dict[PolicyName, Callable[[Run], Policy]] = {
    "ours": Ours,
    "jellyfish": Jellyfish,
    "jellyfish-video": JellyfishVideo,
    "largest": Largest,
    "smallest": Smallest,
    "data-only": DataOnly,
    "dnn-only": DnnOnly,
}
