"""Tracks: the processor time a frame, and counts in real clips beside those by hand.

Without `--video` the clip is the sample video alone, a montage of short shots; `--video vtest.avi`
(of Debian's package opencv-doc) adds a fixed camera over a square. What was counted by hand, and
how, stands in analysis/bench/tracks/hand_count.toml.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.table import Table

from analysis.bench.report import BenchmarkReport, MeasurementError, Promise

MAX_MS = 1.0  # a frame of 20 boxes, median
MIN_FOUND = 0.9  # of the crossings by hand, on the fixed camera
VARIANT = "yolov4-tiny-416"
FIXED_CAMERA = "vtest.avi"
_FRAMES = 900


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--video",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help=f"{FIXED_CAMERA}, which was counted by hand, too",
    )
    parser.add_argument("--no-clips", action="store_true", help="the time alone")


def run(options: argparse.Namespace) -> int:
    """Exit status: 0 if the time is at most MAX_MS and MIN_FOUND of the crossings are counted."""
    report = BenchmarkReport(options.json)
    figures: dict[str, Any] = {"cost": _cost(report)}
    typical = figures["cost"]["20 boxes"]["p50_ms"]
    text = f"20 boxes take at most {MAX_MS:g} ms of processor time a frame, at the median"
    promises = [Promise(text, typical <= MAX_MS, f"{typical:.2f} ms")]
    if not options.no_clips:
        figures["clips"] = _clips(report, options.video)
        text = f"{MIN_FOUND:.0%} of the crossings in {FIXED_CAMERA} are counted"
        if (fixed := figures["clips"].get(FIXED_CAMERA)) is not None:
            part = fixed["found"] / fixed["by_hand"]
            promises.append(Promise(text, part >= MIN_FOUND, f"{part:.0%}"))
        else:
            promises.append(Promise(text, None, "no --video"))
    return report.finish(promises, **figures)


def _cost(report: BenchmarkReport) -> dict[str, dict[str, float]]:
    from analysis.bench.tracks.cost import FEW, PLACES, measure, noise, walkers  # noqa: PLC0415

    rows = {
        f"{FEW} boxes, a zone, a line, a rule": measure(walkers(_FRAMES, FEW), 1),
        "20 boxes": measure(walkers(_FRAMES)),
        f"20 boxes, {PLACES} zones, {PLACES} lines, {PLACES} rules": measure(
            walkers(_FRAMES), PLACES
        ),
        "100 boxes of noise": measure(noise(_FRAMES // 4)),
    }
    table = Table(title="processor time of a frame's tracks, ms")
    for heading in ("", "p50", "mean", "p99"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, row in rows.items():
        table.add_row(name, *(f"{value:.2f}" for value in row.values()))
    report.console.print(table)
    return rows


def _clips(report: BenchmarkReport, videos: list[Path]) -> dict[str, dict[str, Any]]:
    from analysis.bench.tracks.counting import count, detections  # noqa: PLC0415
    from analysis.bench.tracks.hand_count import compare, load_clips  # noqa: PLC0415
    from analysis.bench.tracks.identities import identities, load_sightings  # noqa: PLC0415
    from edge.assets.samples import street_video  # noqa: PLC0415
    from edge.models.runtime.opening import open_detector  # noqa: PLC0415
    from edge.models.weights import class_names  # noqa: PLC0415
    from edge.profile.variant import Variant  # noqa: PLC0415

    clips = {clip.file: clip for clip in load_clips()}
    variant = Variant.parse(VARIANT)
    detector = open_detector(variant.network)
    table = Table(title=f"crossings of one line, by {VARIANT}, and by hand")
    for heading in ("clip", "direction", "by hand", "counted", "found", "missed", "false"):
        table.add_column(heading, justify="right")
    figures: dict[str, dict[str, Any]] = {}
    for video in [street_video(), *videos]:
        if (clip := clips.get(video.name)) is None:
            raise MeasurementError(f"{video}: not counted by hand: {', '.join(clips)} are")
        if not video.is_file():
            raise MeasurementError(f"{video}: no such file")
        counted = count(clip, detections(video, clip.seconds, detector, variant), class_names())
        rows = {
            direction: compare(clip.crossings[direction], counted.crossings[direction])
            for direction in ("in", "out")
        }
        for direction, row in rows.items():
            numbers = (row.by_hand, row.counted, row.found, row.missed, row.false)
            table.add_row(video.name, direction, *map(str, numbers))
        figures[video.name] = {
            name: sum(getattr(row, name) for row in rows.values())
            for name in ("by_hand", "counted", "found", "missed", "false")
        }
        found = identities(load_sightings(video.name), counted.frames)
        figures[video.name]["identities"] = found
        figures[video.name]["switches_per_min"] = found.switches_per_min
    report.console.print(table)
    for name, figure in figures.items():
        found = figure["identities"]
        report.console.print(
            f"{name}: {found.switches} identity switches of {found.things} things in "
            f"{clips[name].seconds:g} s, {found.switches_per_min:.1f} for each minute that one is "
            f"followed; {found.tracked} of {found.sightings} sightings were within a box"
        )
    return figures
