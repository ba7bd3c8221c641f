"""A report's page: every figure in its place, absent ones named."""

from __future__ import annotations

from dataclasses import replace

from edge.profile.latency import LatencyEntry
from profiles.report.device_report import (
    DecodeTiming,
    DeviceReport,
    GraphTiming,
    InputTiming,
    MemoryUse,
    SuiteOutcome,
)
from profiles.report.markdown import page

REPORT = DeviceReport(
    device="a GPU",
    machine="a machine",
    versions={"python": "3.11"},
    command="python -m profiles report --device cuda:0",
    network="yolov4-tiny",
    latency=[
        LatencyEntry("yolov4-tiny-416", 416, 256, 1, 2.0, 2.5),
        LatencyEntry("yolov4-tiny-416", 416, 256, 8, 4.0, 5.0),
        LatencyEntry("yolov4-tiny-608", 608, 352, 1, 5.0, 6.0),
    ],
    memory=MemoryUse(300 << 20, 2 << 30, 8 << 30),
    graphs=[GraphTiming("yolov4-tiny-416", 8, 120.4, 3.21, 1.23)],
    inputs=[InputTiming("yolov4-tiny-416", 8, 1_277_952, 0.75)],
    decoding=[DecodeTiming("vp8", 416, 234, 0.5)],
    tests=SuiteOutcome("pytest tests/models/runtime", 0, "40 passed"),
)


def test_latency_and_throughput_stand_by_batch() -> None:
    text = page(REPORT)
    assert "| yolov4-tiny-416, 416x256 | 2.0 / 2.5 | 4.0 / 5.0 |" in text
    assert "| yolov4-tiny-416, 416x256 | 500 | 2,000 | 133 |" in text
    assert "| yolov4-tiny-608, 608x352 | 5.0 / 6.0 |  |" in text  # not measured


def test_the_other_sections_have_their_figures() -> None:
    text = page(REPORT)
    for part in (
        "# a GPU",
        "    python -m profiles report --device cuda:0",
        "300 MiB (proportional). The device: 2,048 of 8,192 MiB.",
        "| yolov4-tiny-416 | 8 | 120 | 3.21 | 1.23 |",
        "| yolov4-tiny-416 | 8 | 1,278 | 0.75 |",
        "| vp8 | 416x234 | 0.50 | 2,000 |",
        "`pytest tests/models/runtime`: passed: 40 passed",
    ):
        assert part in text, part


def test_a_cpu_has_no_graphs_and_no_memory_of_its_own() -> None:
    text = page(replace(REPORT, graphs=[], memory=MemoryUse(1 << 20, None, None), tests=None))
    assert "None: the device is no CUDA GPU." in text
    assert "The device:" not in text
    assert "## Tests" not in text


def test_failed_tests_are_told_apart() -> None:
    failed = replace(REPORT, tests=SuiteOutcome("pytest x", 1, "1 failed"))
    assert not failed.passed
    assert "FAILED (exit 1): 1 failed" in page(failed)
