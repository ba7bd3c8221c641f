"""What a worker is made ready for: chosen by its device unless the options say otherwise."""

from __future__ import annotations

import pytest

from edge.profile.variant import LONG_SIDES
from edge.workers.options import WorkerOptions


@pytest.mark.parametrize(("device", "batches"), [("cpu", {1, 4}), ("cuda:0", {1, 2, 4, 8})])
def test_every_long_side_is_warmed_up_at_the_devices_batch_sizes(
    device: str, batches: set[int]
) -> None:
    warm = WorkerOptions().warmup_batches(device, ["yolov4-tiny"], measure=True)
    assert {each.variant for each in warm} == {f"yolov4-tiny-{side}" for side in LONG_SIDES}
    assert {each.batch for each in warm} == batches


def test_options_override_the_devices_defaults() -> None:
    options = WorkerOptions(variants=("yolov4-416",), shapes=((1, 1),), batches=(3,))
    [warm] = options.warmup_batches("cpu", ["yolov4-tiny"], measure=False)
    assert (warm.variant, warm.picture, warm.batch) == ("yolov4-416", (416, 416), 3)
    assert not warm.measure


def test_a_gpu_has_longer_to_warm_up() -> None:
    assert WorkerOptions().warmup_limit_s("cpu") < WorkerOptions().warmup_limit_s("cuda:0")
    assert WorkerOptions(warmup_s=1.5).warmup_limit_s("cuda:0") == 1.5


def test_a_worker_of_some_networks_is_warmed_up_for_these_alone() -> None:
    options = WorkerOptions(variants=("a-320", "b-320", "a-416"))
    assert options.of_networks(["a"]).variants == ("a-320", "a-416")
    assert WorkerOptions().of_networks(["a"]).variants is None
