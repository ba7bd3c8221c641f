"""A change of the sent rendition, as `publish --json` records it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netem.footage.encoded_clip import Rendition


@dataclass(frozen=True, slots=True)
class RenditionChange:
    """A change of the sent rendition, and the capture time of its first frame (Unix ms)."""

    rendition: Rendition
    width: int
    height: int
    at_ms: float

    def to_json(self) -> dict[str, Any]:
        """The change as `publish --json` writes it."""
        rung = {"edge": self.rendition.long_side, "bits": self.rendition.bits}
        return {"rung": rung, "width": self.width, "height": self.height, "at_ms": self.at_ms}
