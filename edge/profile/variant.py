"""A variant is a network at an input size, which plans assign and profiles measure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

NETWORKS = ("yolov4", "yolov4-tiny")  # built in; other models have names of their own
LONG_SIDES = tuple(range(128, 609, 32))  # of inputs, where a model does not say
INPUT_LONG_SIDES = range(32, 1281, 32)  # that a model may have
SENT_LONG_SIDES = (128, 160, 192, 256, 320, 416, 512, 608)  # what publishers are asked to send
NumberFormat = Literal["float32", "bfloat16", "float16"]  # in which a device computes
Precision = Literal["auto", NumberFormat]  # as a setting
RuntimeName = Literal["openvino", "torch"]  # the library that runs a network on a CPU
RuntimeSetting = Literal["auto", RuntimeName]
STRIDE = 32  # the deepest feature map's stride: input sides are multiples of it

NETWORK_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,46}[A-Za-z0-9])?"
_NETWORK = re.compile(NETWORK_NAME)
_NAME = re.compile(rf"(?P<network>{NETWORK_NAME})-(?P<long_side>\d+)")


@dataclass(frozen=True, slots=True, order=True)
class Variant:
    """A model's network, and the long side in pixels that pictures are scaled to for it."""

    network: str
    long_side: int

    def __post_init__(self) -> None:
        if _NETWORK.fullmatch(self.network) is None:
            raise ValueError(
                f"network {self.network!r}: a name has letters, digits, '.', '_' and '-' within"
            )
        if self.long_side not in INPUT_LONG_SIDES:
            raise ValueError(f"input side {self.long_side}: 32 to 1280 in steps of 32")

    @property
    def name(self) -> str:
        return f"{self.network}-{self.long_side}"

    @classmethod
    def parse(cls, name: str) -> Variant:
        """The variant called `name`, as in "yolov4-tiny-416"; ValueError if there is none."""
        return _parse(name)

    def fit(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of a picture scaled so that its long side is `long_side`, shape kept."""
        longest = max(width, height)
        return (
            max(1, round(width * self.long_side / longest)),
            max(1, round(height * self.long_side / longest)),
        )

    def input_size(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of the network's input: `fit`, each side padded up to a stride."""
        fitted_width, fitted_height = self.fit(width, height)
        return (-(-fitted_width // STRIDE) * STRIDE, -(-fitted_height // STRIDE) * STRIDE)


@lru_cache(maxsize=256)
def _parse(name: str) -> Variant:
    match = _NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no variant name: NETWORK-SIDE, as in yolov4-tiny-416")
    try:
        return Variant(match["network"], int(match["long_side"]))
    except ValueError as error:
        raise ValueError(f"{name!r}: {error}") from None
