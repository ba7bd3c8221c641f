"""A recorded forward pass, replayed for new inputs; warming up without CUDA records nothing."""

from __future__ import annotations

import pytest
import torch

from edge.models.runtime.torch.cuda_graph import CudaGraph
from edge.models.runtime.torch.torch_detector import TorchDetector
from edge.models.yolov4 import Network
from edge.profile.variant import Variant


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_replay_computes_the_new_input() -> None:
    device = torch.device("cuda:0")
    with torch.inference_mode():
        pool = torch.cuda.graph_pool_handle()
        first = CudaGraph(lambda x: 2 * x + 1, torch.zeros(3, device=device), pool)
        second = CudaGraph(lambda x: x.square(), torch.zeros(2, device=device), pool)
        first.images.copy_(torch.tensor([1.0, 2.0, 3.0]))
        assert first().tolist() == [3.0, 5.0, 7.0]
        second.images.copy_(torch.tensor([4.0, 5.0]))
        assert second().tolist() == [16.0, 25.0]
        first.images.copy_(torch.tensor([0.0, 0.0, 9.0]))
        assert first().tolist() == [1.0, 1.0, 19.0]


def test_a_cpu_records_no_graph(random_tiny: Network) -> None:
    detector = TorchDetector("yolov4-tiny", random_tiny, precision="float32")
    detector.warm_up(Variant("yolov4-tiny", 128), (128, 72), 2)
    assert not detector._graphs
