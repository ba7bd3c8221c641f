"""Serving options by shape, and problems on slower devices."""

from __future__ import annotations

from edge.scheduling.draft import ServingOption, slower
from tests.scheduling.solvers.problems import small


def test_an_option_is_the_same_for_all_pictures_of_one_shape() -> None:
    wide, large = (
        ServingOption.of_picture("yolov4-tiny", 416, size) for size in ((16, 9), (1920, 1080))
    )
    tall = ServingOption.of_picture("yolov4-tiny", 416, (9, 16))
    assert wide == large == ServingOption(416, (416, 256), "yolov4-tiny")
    assert tall == ServingOption(416, (256, 416), "yolov4-tiny")
    assert (wide.name, tall.name) == (
        "yolov4-tiny-416:416x256",
        "yolov4-tiny-416:256x416",
    )


def test_a_slower_problem_differs_in_latencies_alone() -> None:
    problem = slower(small(), 2.0)
    assert problem.variants[0].latency_ms == (10.0, 12.0, 14.0, 16.0)
    assert (problem.clients, problem.gpus) == (small().clients, small().gpus)
    assert slower(problem, 0.5) == small()
