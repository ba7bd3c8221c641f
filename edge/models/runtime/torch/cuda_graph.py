"""CUDA graphs: a forward pass recorded once for a shape and replayed without launch costs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

_WARM_UP_RUNS = 3  # in which cuDNN tries its algorithms; the best are recorded


class CudaGraph:
    """`function` of one tensor, recorded for the shape of `images`, the tensor it always reads.

    Write into `images`, then call. The result is overwritten by the next call of any graph that
    shares `pool` (from `torch.cuda.graph_pool_handle`): sharing keeps many shapes affordable.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], images: Tensor, pool: Any) -> None:
        self.images = images
        self._graph = torch.cuda.CUDAGraph()
        stream = torch.cuda.Stream(images.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(images.device))
        with torch.backends.cudnn.flags(benchmark=True):
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP_RUNS):
                    function(images)
            torch.cuda.current_stream(images.device).wait_stream(stream)
            with torch.cuda.graph(self._graph, pool=pool):
                self._result = function(images)

    def __call__(self) -> Tensor:
        self._graph.replay()
        return self._result
