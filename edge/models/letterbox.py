"""A picture's place in the network's input."""

from __future__ import annotations

from dataclasses import dataclass

from edge.profile.variant import Variant

PADDING = 0.5  # grey, as Darknet pads


@dataclass(frozen=True, slots=True)
class Letterbox:
    """A picture's place in the network's input, in input pixels: centred, padded around."""

    left: int
    top: int
    width: int
    height: int


def letterbox(variant: Variant, width: int, height: int) -> Letterbox:
    """The place of a picture of this size in the input of `variant`."""
    fitted_width, fitted_height = variant.fit(width, height)
    input_width, input_height = variant.input_size(width, height)
    return Letterbox(
        (input_width - fitted_width) // 2,
        (input_height - fitted_height) // 2,
        fitted_width,
        fitted_height,
    )
