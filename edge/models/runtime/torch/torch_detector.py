"""A network that PyTorch runs, on a CPU or a CUDA GPU."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.models.convolution import can_pack
from edge.models.decode import decode
from edge.models.letterbox import Letterbox
from edge.models.postprocess import postprocess
from edge.models.preprocess import paint
from edge.models.runtime.detector import (
    NMS_IOU,
    SCORE_THRESHOLD,
    Candidates,
    Images,
    batch_places,
    blank_picture,
)
from edge.models.runtime.number_format import DTYPES, choose
from edge.models.runtime.torch.cuda_graph import CudaGraph
from edge.models.yolov4 import Network
from edge.profile.variant import Precision, Variant

_PACK_BYTES = 1 << 30  # for packed weights, over all input shapes; the least recently used go

_Planes = tuple[Tensor, Tensor, Tensor]


class TorchDetector:
    """A Detector.

    `device` is "cpu" or "cuda:N"; for precision "auto" see `edge.models.runtime.number_format`.
    `module` is copied, not changed. `precision` becomes the number format that it computes in,
    `dtype` its input's.
    """

    runtime = "torch"

    def __init__(
        self,
        network_name: str,
        module: Network,
        device: str = "cpu",
        precision: Precision = "auto",
    ) -> None:
        self.network_name = network_name
        self.device = torch.device(device)
        self.precision = choose(precision, self.device)
        self.dtype = DTYPES[self.precision]
        network = copy.deepcopy(module).to(device=self.device, dtype=self.dtype)
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.device.type == "cpu" and can_pack(self.dtype):
            numbers = sum(parameter.numel() for parameter in self.network.parameters())
            packs = max(1, _PACK_BYTES // (numbers * self.dtype.itemsize))
            for convolution in self.network.convolutions():
                convolution.packs = packs
        self._graphs: dict[
            tuple[int, ...], CudaGraph
        ] = {}  # one a warmed-up (batch, height, width)
        self._pool: Any = None  # the graphs' common memory
        self._staging = torch.empty(0, dtype=torch.uint8)  # pinned; grows to the biggest batch

    def detect(
        self,
        pictures: Sequence[Picture],
        variant: Variant,
        *,
        score_threshold: float = SCORE_THRESHOLD,
        nms_iou: float = NMS_IOU,
    ) -> list[list[Box]]:
        if not pictures:
            return []
        images, places = self.load(pictures, variant)
        candidates = self.forward(images).cpu().numpy()
        return [
            postprocess(rows, at, score_threshold=score_threshold, nms_iou=nms_iou)
            for rows, at in zip(candidates, places, strict=True)
        ]

    def load(self, pictures: Sequence[Picture], variant: Variant) -> tuple[Tensor, list[Letterbox]]:
        """The network's input with the pictures in it, on the device, and where each one is.

        The next call of the same shape may overwrite it. Raises as `detect`.
        """
        size, places = batch_places(self.network_name, pictures, variant)
        with torch.inference_mode():
            graph = self._graphs.get((len(pictures), size[1], size[0]))
            images = graph.images if graph else self._blank(len(pictures), size[1], size[0])
            planes = self._upload(pictures)
            for image, picture, its_planes, at in zip(
                images, pictures, planes, places, strict=True
            ):
                paint(image, its_planes, picture.full_range, at)
        return images, places

    def forward(self, images: Tensor, *, replay: bool = True) -> Tensor:
        """The candidates in what `load` returned; by its CUDA graph, if it has one and `replay`."""
        batch, _, height, width = images.shape
        graph = self._graphs.get((batch, height, width)) if replay else None
        with torch.inference_mode():
            return graph() if graph else self._forward(images)

    def candidates(self, images: Images, least_score: float = 0.0) -> list[Candidates]:
        with torch.inference_mode():
            on_device = torch.from_numpy(images).to(device=self.device, dtype=self.dtype)
            found = self._forward(on_device.contiguous(memory_format=torch.channels_last)).cpu()
        return [rows[rows[:, 0] >= least_score] for rows in found.numpy()]

    def warm_up(self, variant: Variant, size: tuple[int, int], batch: int) -> None:
        """Run once. On CUDA this records the graph for that input.

        Without one, each kernel of such a batch is launched by itself, which is slower.
        """
        width, height = variant.input_size(*size)
        key = (batch, height, width)
        if self.device.type == "cuda" and key not in self._graphs:
            with torch.inference_mode(), torch.cuda.device(self.device):
                if self._pool is None:
                    self._pool = torch.cuda.graph_pool_handle()
                self._graphs[key] = CudaGraph(self._forward, self._blank(*key), self._pool)
        self.detect([blank_picture(*size)] * batch, variant)

    def _forward(self, images: Tensor) -> Tensor:
        return decode(self.network(images), self.network.heads)

    def _blank(self, batch: int, height: int, width: int) -> Tensor:
        shape = (batch, 3, height, width)
        return torch.zeros(shape, dtype=self.dtype, device=self.device).contiguous(
            memory_format=torch.channels_last
        )

    def _upload(self, pictures: Sequence[Picture]) -> list[_Planes]:
        """The pictures' planes on the device; one copy for all, from pinned memory, on CUDA."""
        if self.device.type == "cpu":
            return [_tensors(picture) for picture in pictures]
        total = sum(picture.nbytes for picture in pictures)
        if self._staging.numel() < total:
            self._staging = torch.empty(total, dtype=torch.uint8, pin_memory=True)
        buffer = self._staging.numpy().data
        offsets = [0]
        for picture in pictures:
            offsets.append(offsets[-1] + picture.write_into(buffer[offsets[-1] :]))
        # The next batch overwrites the staging only after this one's result has arrived.
        flat = self._staging[:total].to(self.device, non_blocking=True)
        return [
            _split(flat[offset:], picture)
            for offset, picture in zip(offsets, pictures, strict=False)
        ]


def _tensors(picture: Picture) -> _Planes:
    y, u, v = (
        torch.from_numpy(plane if plane.flags.writeable else plane.copy())
        for plane in (picture.y, picture.u, picture.v)
    )
    return y, u, v


def _split(flat: Tensor, picture: Picture) -> _Planes:
    y, u, v = flat[: picture.nbytes].split_with_sizes(
        [picture.y.size, picture.u.size, picture.v.size]
    )
    return y.view(picture.y.shape), u.view(picture.u.shape), v.view(picture.v.shape)
