"""Writes a network's file of int8 ranges, from the sample photographs.

    python -m edge.models.calibrate

Needed only for other weights or another choice of layers: the file for YOLOv4-tiny with the
published weights is in this package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import av
import numpy as np
import torch
from torch import Tensor

from edge.assets import samples
from edge.ipc.picture import Picture
from edge.models.convolution import Convolution
from edge.models.detector import Detector
from edge.models.int8_ranges import path_of, weight_norm
from edge.models.quantized import Range
from edge.models.weights import load_network
from edge.profile.variant import Variant

_NETWORK = "yolov4-tiny"
_LONG_SIDES = (224, 416, 608)
# Measured: in int8 the first layers would cost most of the accuracy; the heads' outputs would cost
# a quarter of the rest, and they take 2 % of the time.
_FLOAT = ("stem", "down", "stages.0.", "coarse_out", "fine_out")
_FIRST, _LAST = "stages.1.entry", ("coarse", "fine")
# Maps that are concatenated need one range, or concatenation would quantise them again.
_JOINED = (
    ("stages.1.first", "stages.1.second"),
    ("stages.1.entry", "stages.1.merge"),
    ("stages.2.first", "stages.2.second"),
    ("stages.2.entry", "stages.2.merge", "lateral"),
)
_SAMPLED_VALUES = 10_000  # of a map


def photographs() -> list[Picture]:
    """The sample photographs."""
    pictures = []
    for name in samples.PHOTOS:
        with av.open(str(samples.photo(name))) as file:
            frame = next(file.decode(video=0))
        pictures.append(Picture.from_av(frame.reformat(format="yuv420p")))
    return pictures


def best_range(values: Tensor) -> Range:
    """The range with the least squared error of the quantised values; it may clip some of them."""
    low, high = min(float(values.min()), 0.0), float(values.max())
    ranges = (
        Range(low * below, high * above)
        for above in np.linspace(0.4, 1.0, 13).tolist()
        for below in np.linspace(0.2, 1.0, 5).tolist()
    )
    return min(ranges, key=lambda ends: _squared_error(values, ends))


def _squared_error(values: Tensor, ends: Range) -> float:
    scale, zero = ends.affine()
    rounded = (((values / scale).round() + zero).clamp(0, 255) - zero) * scale
    return float((rounded - values).square().mean())


def _sampled(values: Tensor) -> Tensor:
    """Some of the values, with the extremes."""
    flat = values.flatten()
    some = flat[:: max(1, len(flat) // _SAMPLED_VALUES)]
    return torch.cat((some, flat.min()[None], flat.max()[None]))


def _joint(ranges: Iterable[Range]) -> Range:
    lows, highs = zip(*ranges, strict=True)
    return Range(min(lows), max(highs))


def main() -> None:
    """Writes the file and prints its path."""
    network = load_network(_NETWORK)
    detector = Detector(_NETWORK, network, precision="float32")
    given: list[Tensor] = []
    made: dict[str, list[Tensor]] = {}

    def watch(name: str, convolution: Convolution) -> None:
        def hook(_: object, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            made.setdefault(name, []).append(_sampled(output))
            if name == _FIRST:
                given.append(_sampled(inputs[0]))

        convolution.register_forward_hook(hook)

    for name, module in detector.network.named_modules():
        if isinstance(module, Convolution) and not name.startswith(_FLOAT):
            watch(name, module)
    for picture in photographs():
        for long_side in _LONG_SIDES:
            detector.detect([picture], Variant(_NETWORK, long_side))
    ends = {name: best_range(torch.cat(maps)) for name, maps in made.items()}
    for names in _JOINED:
        ends |= dict.fromkeys(names, _joint(ends[name] for name in names))
    lines = []
    for name, module in network.named_modules():
        if not isinstance(module, Convolution) or name not in ends:
            continue
        layer: dict[str, object] = {"norm": round(weight_norm(module), 4)}
        if name == _FIRST:
            layer["given"] = [round(end, 3) for end in best_range(torch.cat(given))]
        if name not in _LAST:
            layer["made"] = [round(end, 3) for end in ends[name]]
        lines.append(f"    {json.dumps(name)}: {json.dumps(layer)}")
    path = path_of(_NETWORK)
    head = '{\n  "made_by": "python -m edge.models.calibrate",\n  "layers": {\n'
    path.write_text(head + ",\n".join(lines) + "\n  }\n}\n")
    print(path)


if __name__ == "__main__":
    main()
