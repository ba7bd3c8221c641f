"""What a network that decodes its own boxes takes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NetworkInput:
    """`fixed_size` is (width, height) where a network has no free sides, `is_batch_fixed` where it
    takes one picture at a time, `names` are its inputs in their order, `sizes` the one among them
    that takes the pictures' sizes."""

    fixed_size: tuple[int, int] | None = None
    is_batch_fixed: bool = False
    names: tuple[str, ...] = ("images",)
    sizes: str | None = None
