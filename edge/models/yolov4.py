"""YOLOv4 and YOLOv4-tiny: the networks, written from the architecture.

Bochkovskiy, Wang & Liao, "YOLOv4: Optimal Speed and Accuracy of Object Detection" (2020), and
"Scaled-YOLOv4" (2021) for the tiny one. Batch normalisation lives folded in the convolutions.
Modules are declared in the order that Darknet's weight file holds their numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.models.convolution import Convolution
from edge.models.heads import Head

CLASSES = 80  # COCO


class Network(nn.Module):
    """The interface of both networks: images in, one raw map a head out."""

    heads: tuple[Head, ...]

    def convolutions(self) -> Iterator[Convolution]:
        """The convolutions in the weight file's order."""
        return (module for module in self.modules() if isinstance(module, Convolution))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Raw maps (N, anchors x (5 + classes), H / stride, W / stride), in the order of `heads`.

        `images` are (N, 3, H, W), RGB, 0..1, sides multiples of 32.
        """
        raise NotImplementedError


def _prediction(inputs: int, classes: int) -> Convolution:
    return Convolution(inputs, 3 * (5 + classes), 1, activation="linear", normalized=False)


class _TinyStage(nn.Module):
    """A cross-stage-partial block of YOLOv4-tiny: half of the channels go through, all are kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.entry = Convolution(channels, channels, 3)
        self.first = Convolution(half, half, 3)
        self.second = Convolution(half, half, 3)
        self.merge = Convolution(channels, channels, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(features for the next stage, twice the channels at half the sides; merged features)."""
        entry = self.entry(x)
        first = self.first(entry.chunk(2, dim=1)[1])
        second = self.second(first)
        merged = self.merge(torch.cat((second, first), dim=1))
        return F.max_pool2d(torch.cat((entry, merged), dim=1), 2), merged


class YoloV4Tiny(Network):
    """YOLOv4-tiny: two heads, strides 32 and 16."""

    heads = (
        Head(32, ((81, 82), (135, 169), (344, 319)), 1.05),
        # Published and trained with anchors 1 to 3 for the second head, not 0 to 2.
        Head(16, ((23, 27), (37, 58), (81, 82)), 1.05),
    )

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, stride=2)
        self.down = Convolution(32, 64, 3, stride=2)
        self.stages = nn.ModuleList(_TinyStage(channels) for channels in (64, 128, 256))
        self.deep = Convolution(512, 512, 3)
        self.neck = Convolution(512, 256, 1)
        self.coarse = Convolution(256, 512, 3)
        self.coarse_out = _prediction(512, classes)
        self.lateral = Convolution(256, 128, 1)
        self.fine = Convolution(384, 256, 3)
        self.fine_out = _prediction(256, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x = self.down(self.stem(images))
        merged = x
        for stage in self.stages:
            x, merged = stage(x)
        neck = self.neck(self.deep(x))
        coarse = self.coarse_out(self.coarse(neck))
        fine = self.fine(torch.cat((_upsample(self.lateral(neck)), merged), dim=1))
        return coarse, self.fine_out(fine)


class _Residual(nn.Module):
    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = Convolution(channels, hidden, 1, activation="mish")
        self.expand = Convolution(hidden, channels, 3, activation="mish")

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.expand(self.reduce(x))
        return out


class _Stage(nn.Module):
    """A cross-stage-partial stage of CSPDarknet53: down by two, then residuals beside a bypass."""

    def __init__(self, inputs: int, outputs: int, residuals: int) -> None:
        super().__init__()
        first = inputs == 32  # the first stage splits into full widths, the others into halves
        width = outputs if first else outputs // 2
        hidden = width // 2 if first else width
        self.down = Convolution(inputs, outputs, 3, stride=2, activation="mish")
        self.bypass = Convolution(outputs, width, 1, activation="mish")
        self.entry = Convolution(outputs, width, 1, activation="mish")
        self.residuals = nn.Sequential(*(_Residual(width, hidden) for _ in range(residuals)))
        self.exit = Convolution(width, width, 1, activation="mish")
        self.merge = Convolution(2 * width, outputs, 1, activation="mish")

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        bypass = self.bypass(x)
        x = self.exit(self.residuals(self.entry(x)))
        out: Tensor = self.merge(torch.cat((x, bypass), dim=1))
        return out


class _SpatialPyramid(nn.Module):
    """Spatial pyramid pooling: the map beside its maxima over 5, 9 and 13 cells."""

    def forward(self, x: Tensor) -> Tensor:
        # Chained pools of 5 see 9 and 13 cells, for a third of the work.
        five = F.max_pool2d(x, 5, stride=1, padding=2)
        nine = F.max_pool2d(five, 5, stride=1, padding=2)
        thirteen = F.max_pool2d(nine, 5, stride=1, padding=2)
        return torch.cat((thirteen, nine, five, x), dim=1)


def _alternating(inputs: int, channels: int, count: int) -> nn.Sequential:
    """`count` convolutions, 1x1 to `channels` and 3x3 to twice that in turn."""
    layers: list[nn.Module] = []
    for index in range(count):
        outputs, kernel = (channels, 1) if index % 2 == 0 else (2 * channels, 3)
        layers.append(Convolution(inputs, outputs, kernel))
        inputs = outputs
    return nn.Sequential(*layers)


class _Up(nn.Module):
    """One step up the path-aggregation neck: a finer map joined by the coarser one."""

    def __init__(self, channels: int, lateral: int) -> None:
        super().__init__()
        self.reduce = Convolution(2 * channels, channels, 1)
        self.lateral = Convolution(lateral, channels, 1)
        self.mix = _alternating(2 * channels, channels, 5)

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        up = _upsample(self.reduce(coarse))
        out: Tensor = self.mix(torch.cat((self.lateral(fine), up), dim=1))
        return out


class _Down(nn.Module):
    """One step down the path-aggregation neck: a coarser map joined by the finer one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down = Convolution(channels, 2 * channels, 3, stride=2)
        self.mix = _alternating(4 * channels, 2 * channels, 5)

    def forward(self, fine: Tensor, coarse: Tensor) -> Tensor:
        out: Tensor = self.mix(torch.cat((self.down(fine), coarse), dim=1))
        return out


def _head(channels: int, classes: int) -> nn.Sequential:
    return nn.Sequential(Convolution(channels, 2 * channels, 3), _prediction(2 * channels, classes))


class YoloV4(Network):
    """YOLOv4: CSPDarknet53 with mish, spatial pyramid pooling, path aggregation, three heads."""

    heads = (
        Head(8, ((12, 16), (19, 36), (40, 28)), 1.2),
        Head(16, ((36, 75), (76, 55), (72, 146)), 1.1),
        Head(32, ((142, 110), (192, 243), (459, 401)), 1.05),
    )

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__()
        self.stem = Convolution(3, 32, 3, activation="mish")
        sizes = ((32, 64, 1), (64, 128, 2), (128, 256, 8), (256, 512, 8), (512, 1024, 4))
        self.stages = nn.ModuleList(_Stage(*size) for size in sizes)
        self.before_pyramid = _alternating(1024, 512, 3)
        self.pyramid = _SpatialPyramid()
        self.after_pyramid = _alternating(2048, 512, 3)
        self.up16 = _Up(256, 512)
        self.up8 = _Up(128, 256)
        self.head8 = _head(128, classes)
        self.down16 = _Down(128)
        self.head16 = _head(256, classes)
        self.down32 = _Down(256)
        self.head32 = _head(512, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        x = self.stem(images)
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        top = self.after_pyramid(self.pyramid(self.before_pyramid(x)))
        middle = self.up16(top, features[3])
        fine = self.up8(middle, features[2])
        map8 = self.head8(fine)
        middle = self.down16(fine, middle)
        map16 = self.head16(middle)
        return map8, map16, self.head32(self.down32(middle, top))


def _upsample(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def build(name: str, classes: int = CLASSES) -> Network:
    """An unloaded network by name: "yolov4" or "yolov4-tiny"; ValueError for another name."""
    networks: dict[str, type[YoloV4] | type[YoloV4Tiny]] = {
        "yolov4": YoloV4,
        "yolov4-tiny": YoloV4Tiny,
    }
    if name not in networks:
        raise ValueError(f"unknown network {name!r}: one of {', '.join(networks)}")
    return networks[name](classes).eval().requires_grad_(False)
