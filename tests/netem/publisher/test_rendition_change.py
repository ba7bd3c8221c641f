"""A change of the rendition as JSON."""

from __future__ import annotations

from netem.footage.encoded_clip import Rendition
from netem.publisher.rendition_change import RenditionChange


def test_a_change_is_written_with_the_keys_of_the_json_format() -> None:
    change = RenditionChange(Rendition(320, 0.2), 320, 180, 5.0)
    assert change.to_json() == {
        "rung": {"edge": 320, "bits": 0.2}, "width": 320, "height": 180, "at_ms": 5.0,
    }  # fmt: skip
