"""A network built from a Darknet .cfg file."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.models.cfg.cfg_file import (
    CfgFile,
    Convolutional,
    Layer,
    Maxpool,
    Nothing,
    Route,
    Shortcut,
    Upsample,
    Yolo,
)
from edge.models.convolution import Activation, Convolution, activate
from edge.models.heads import Head
from edge.models.yolov4 import Network


class CfgNetwork(Network):
    """The layers of a file, run in its order; a map is kept until the last layer that reads it."""

    def __init__(self, cfg: CfgFile) -> None:
        super().__init__()
        self.heads = tuple(
            Head(head.stride, head.anchors, head.scale_xy, head.new_coords) for head in cfg.heads
        )
        self.layers = nn.ModuleList(_module(layer) for layer in cfg.layers)
        self._sources = [_sources(index, layer) for index, layer in enumerate(cfg.layers)]
        last_use = {source: i for i, sources in enumerate(self._sources) for source in sources}
        self._ends = [
            [source for source, last in last_use.items() if last == index]
            for index in range(len(cfg.layers))
        ]
        self._is_head = [isinstance(layer.operation, Yolo) for layer in cfg.layers]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        maps: dict[int, Tensor] = {-1: images}
        heads = []
        for index, module in enumerate(self.layers):
            maps[index] = module(*(maps[source] for source in self._sources[index]))
            if self._is_head[index]:
                heads.append(maps[index])
            for source in self._ends[index]:
                del maps[source]
        return tuple(heads)


def build(cfg: CfgFile) -> CfgNetwork:
    """The unloaded network of a checked description."""
    return CfgNetwork(cfg).eval().requires_grad_(False)


class _Join(nn.Module):
    """Maps side by side, of each a part."""

    def __init__(self, groups: int, group_id: int) -> None:
        super().__init__()
        self._groups, self._group_id = groups, group_id

    def forward(self, *maps: Tensor) -> Tensor:
        if self._groups > 1:
            maps = tuple(each.chunk(self._groups, dim=1)[self._group_id] for each in maps)
        return maps[0] if len(maps) == 1 else torch.cat(maps, dim=1)


class _Sum(nn.Module):
    def __init__(self, activation: Activation) -> None:
        super().__init__()
        self._activation: Activation = activation

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        for other in others:
            x = x + other
        return activate(x, self._activation)


class _Pool(nn.Module):
    """Darknet's pooling: of the `size - 1` cells of padding, the smaller half comes first."""

    def __init__(self, size: int, stride: int) -> None:
        super().__init__()
        self._size, self._stride = size, stride

    def forward(self, x: Tensor) -> Tensor:
        before = (self._size - 1) // 2
        after = self._size - 1 - before
        if self._size == self._stride == 2:
            return F.max_pool2d(x, 2)  # sides are even: the padding is not reached
        if before == after:
            return F.max_pool2d(x, self._size, self._stride, before)
        x = F.pad(x, (before, after, before, after), value=-torch.inf)
        return F.max_pool2d(x, self._size, self._stride)


class _Enlarge(nn.Module):
    def __init__(self, factor: int) -> None:
        super().__init__()
        self._factor = float(factor)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self._factor, mode="nearest")


def _sources(index: int, layer: Layer) -> tuple[int, ...]:
    """The layers whose maps this one reads; -1 is the input."""
    match layer.operation:
        case Route(layers=layers):
            return layers
        case Shortcut(layers=layers):
            return (index - 1, *layers)
        case _:
            return (index - 1,)


def _module(layer: Layer) -> nn.Module:
    match layer.operation:
        case Convolutional() as conv:
            return Convolution(
                conv.inputs,
                conv.filters,
                conv.size,
                stride=conv.stride,
                activation=conv.activation,
                normalized=conv.normalized,
                groups=conv.groups,
            )
        case Route(groups=groups, group_id=group_id):
            return _Join(groups, group_id)
        case Shortcut(activation=activation):
            return _Sum(activation)
        case Maxpool(size=size, stride=stride):
            return _Pool(size, stride)
        case Upsample(factor=factor):
            return _Enlarge(factor)
        case Yolo() | Nothing():
            return nn.Identity()
