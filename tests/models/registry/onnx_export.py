"""Detectors in ONNX that find bright cells, in the layout of each kind; for tests."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge.models.heads import Head
from edge.models.yolov4 import Network

STRIDES = (8, 16, 32)
BOX = 48.0  # pixels: the side of every box


class BrightCells(nn.Module):
    """The score of a cell is its mean brightness; bright cells are of the last class."""

    def __init__(self, layout: str, classes: int) -> None:
        super().__init__()
        self.layout, self.classes = layout, classes

    def forward(self, images: Tensor, sizes: Tensor | None = None) -> Tensor | tuple[Tensor, ...]:
        columns = self.layout == "yolov5"
        repeats = 3 if columns else 1
        rows = torch.cat([self._cells(images, stride, repeats) for stride in STRIDES], dim=1)
        boxes, score = rows[..., :4], rows[..., 4:]
        scores = torch.cat([score * 0.1] * (self.classes - 1) + [score], dim=2)
        if self.layout == "yolov5":
            return torch.cat((boxes, torch.ones_like(score), scores), dim=2)
        if self.layout == "yolov8":
            return torch.cat((boxes, scores), dim=2).transpose(1, 2)
        best, index = score[..., 0].topk(20, dim=1)
        boxes = rows.gather(1, index[..., None].expand(-1, -1, 5))[..., :4]
        corners = torch.cat((boxes[..., :2] - BOX / 2, boxes[..., :2] + BOX / 2), dim=2)
        label = torch.full_like(best, self.classes - 1)
        if self.layout == "end2end":
            return torch.cat((corners, best[..., None], label[..., None]), dim=2)
        if self.layout == "yolov7-nms":
            first = torch.cat((torch.zeros_like(best[..., None]), corners), dim=2)[0]
            return torch.cat((first, label[0, :, None], best[0, :, None]), dim=1)
        if self.layout == "rtdetr-labels":
            assert sizes is not None
            side = torch.cat((sizes, sizes), dim=1)[:, None]
            return label.long(), corners / side * side, best
        ones = torch.ones_like(images[:, :1])
        high, wide = ones[..., 0].sum(dim=(1, 2)), ones[..., 0, :].sum(dim=(1, 2))
        fractions = boxes / torch.stack((wide, high, wide, high), dim=1)[:, None]
        chosen = scores.gather(1, index[..., None].expand(-1, -1, self.classes))
        if self.layout == "rtdetr":
            return torch.cat((fractions, chosen), dim=2)
        return torch.logit(chosen.clamp(1e-4, 1 - 1e-4)), fractions

    def _cells(self, images: Tensor, stride: int, repeats: int) -> Tensor:
        score = F.avg_pool2d(images.mean(dim=1, keepdim=True), stride)
        ones = torch.ones_like(score)
        x = (ones.cumsum(dim=3) - 0.5) * stride
        y = (ones.cumsum(dim=2) - 0.5) * stride
        side = ones * BOX
        rows = torch.cat((x, y, side, side, score), dim=1).flatten(2).transpose(1, 2)
        return torch.cat([rows] * repeats, dim=1)


class Decoded(nn.Module):
    """A network of this project as YOLOv5 and v7 are exported: its boxes decoded in the graph.

    Written anew from Darknet's formula, so that a fault in the server's own decoding shows.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps = zip(self.network(images), self.network.heads, strict=True)
        return torch.cat([self._rows(raw, head) for raw, head in maps], dim=1)

    @staticmethod
    def _rows(raw: Tensor, head: Head) -> Tensor:
        found = []
        for anchor, numbers in zip(head.anchors, raw.chunk(len(head.anchors), dim=1), strict=True):
            ones = torch.ones_like(numbers[:, :1])
            cell = torch.cat((ones.cumsum(dim=3), ones.cumsum(dim=2)), dim=1) - 1
            within = (numbers[:, :2].sigmoid() - 0.5) * head.scale_xy + 0.5
            sides = numbers[:, 2:4].exp() * torch.tensor(anchor)[:, None, None]
            scores = numbers[:, 4:].sigmoid()
            found.append(torch.cat(((cell + within) * head.stride, sides, scores), dim=1))
        return torch.cat([each.flatten(2) for each in found], dim=2).transpose(1, 2)


class Classifier(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=(2, 3)).repeat(1, 4)


class RawMaps(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        grey = images.mean(dim=1, keepdim=True)
        return tuple(F.avg_pool2d(grey, stride).repeat(1, 21, 1, 1) for stride in STRIDES)


def export(
    path: Path,
    module: nn.Module,
    *,
    side: int = 320,
    dynamic: bool = True,
    channels_last: bool = False,
    class_names: str | None = None,
) -> Path:
    """Write a module as ONNX, with free axes or for one size alone; `class_names` as metadata."""
    names: Sequence[str] = ["images"]
    shape = (1, side, side, 3) if channels_last else (1, 3, side, side)
    inputs: tuple[Tensor, ...] = (torch.rand(shape),)
    if getattr(module, "layout", "") == "rtdetr-labels":
        names = ["images", "orig_target_sizes"]
        inputs = (*inputs, torch.tensor([[side, side]]))
    axes = {"images": {0: "n", 2: "h", 3: "w"}, "orig_target_sizes": {0: "n"}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the tracing exporter, which needs no further package
        torch.onnx.export(
            module.eval(),
            inputs,
            str(path),
            dynamo=False,
            input_names=list(names),
            dynamic_axes={name: axes[name] for name in names} if dynamic else None,
        )
    if class_names is not None:
        model = onnx.load(path)
        model.metadata_props.add(key="names", value=class_names)
        onnx.save(model, path)
    return path
