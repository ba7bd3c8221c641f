"""`python -m profiles accuracy`: measure accuracy by sent size, bitrate, codec and input size."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import get_args

from edge.assets import samples
from edge.models.registry.model import Model
from edge.models.weights import WEIGHTS
from edge.profile.accuracy import AccuracyProfile
from edge.profile.accuracy_file import save_accuracy_profile
from edge.profile.host import describe_machine, package_versions
from edge.profile.variant import LONG_SIDES, Precision
from edge.workers.handle import OPENMP
from profiles.accuracy import coco, compared_models
from profiles.accuracy.accuracy_measurement import (
    INPUT_LONG_SIDES,
    KBPS,
    SENT_LONG_SIDES,
    AccuracyMeasurement,
    EvaluationClip,
    continued,
    evaluated,
    merge,
    plan,
)
from profiles.accuracy.clips import Clip, from_file, pan
from profiles.accuracy.codecs import CODECS, JPEG, JPEG_FIT, NONE
from profiles.arguments import UsageError, command_line, positive, torch_device
from profiles.progress import ProgressReport

_DEFAULT_CODECS = ("vp8", "h264", JPEG, JPEG_FIT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--video",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="default: the sample street video and a pan over the sample photographs",
    )
    measured = parser.add_mutually_exclusive_group()
    measured.add_argument(
        "--network", choices=list(WEIGHTS), help="a built-in network (default yolov4-tiny)"
    )
    measured.add_argument(
        "--model", metavar="NAME", help="a model of the settings, at its own input sizes"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="with --model: the settings that describe it"
    )
    parser.add_argument(
        "--reference",
        metavar="NAME",
        help="with --model: the model whose boxes are taken for true (default: the largest of its "
        "family)",
    )
    parser.add_argument(
        "--codec",
        type=_codecs,
        metavar="LIST",
        help=f"of {','.join(CODECS)} (default {','.join(_DEFAULT_CODECS)})",
    )
    parser.add_argument("--sent", type=_sent_long_sides, metavar="LIST", help="longest sides sent")
    parser.add_argument(
        "--inputs", type=_input_long_sides, metavar="LIST", help="networks' input sides"
    )
    parser.add_argument("--kbps", type=_rates, metavar="LIST", help="rates asked of the encoder")
    parser.add_argument("--fps", type=positive, default=15, metavar="N", help="default 15")
    parser.add_argument("--seconds", type=positive, default=10, metavar="N", help="default 10")
    parser.add_argument(
        "--frames", type=positive, metavar="N", help="evaluated, of each clip (default 36)"
    )
    parser.add_argument(
        "--coco",
        type=Path,
        nargs=2,
        metavar=("ANNOTATIONS", "IMAGES"),
        help="an instances JSON and the folder of its photographs: instead of the default videos",
    )
    parser.add_argument("--coco-images", type=positive, default=500, metavar="N")
    parser.add_argument(
        "--device", type=torch_device, default="cpu", help="cpu (default) or cuda:N"
    )
    parser.add_argument(
        "--precision",
        default="auto",
        choices=get_args(Precision),
        help="number format of the networks (default auto: as served on this device)",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: named after the network")
    parser.add_argument("--again", action="store_true", help="replace FILE, do not continue it")
    parser.add_argument("--quick", action="store_true", help="few sizes, rates and frames")


def run(options: argparse.Namespace, arguments: list[str]) -> int:
    """Exit status 0; raises ValueError and OSError for unusable input."""
    for name, value in OPENMP.items():  # as in a worker; read when torch loads
        os.environ.setdefault(name, value)
    quick = options.quick
    ending = "-quick.json" if quick else ".json"
    compared = _compared(options)
    model, reference = compared.model, compared.reference_variant
    out = options.out or Path("profiles") / f"accuracy-{model.name}{ending}"
    materials = _clips(options)
    tasks = plan(
        materials,
        options.codec or _codecs_for(options),
        options.sent or ((192, 416) if quick else SENT_LONG_SIDES),
        options.inputs or _inputs(options, model),
        options.kbps or ((120.0, 1000.0) if quick else KBPS),
    )
    if not tasks:
        raise UsageError("nothing to measure: no codec and size fits these pictures")
    clips = {material.name: material.about for material in materials}
    before = None if options.again else continued(out, reference.name, clips)
    rows = list(before.rows) if before else []
    clips = {**(before.clips if before else {}), **clips}

    detector = compared_models.open_model(model, options.device, options.precision)
    reference_detector = detector
    if compared.reference.name != model.name:
        reference_detector = compared_models.open_model(
            compared.reference, options.device, options.precision
        )
    progress = ProgressReport(sum(task.work for task in tasks))
    measurement = AccuracyMeasurement(
        model.name,
        detector,
        reference,
        reference_detector,
        progress.step,
        progress.skip,
        confidence=model.score_threshold,
        reference_confidence=compared.reference.score_threshold,
    )
    made_on = f"{describe_machine()}, {options.device}, {detector.precision}"
    if before and made_on not in before.machine.split("; "):
        made_on = f"{before.machine}; {made_on}"
    elif before:
        made_on = before.machine
    for task in tasks:
        for row in measurement.rows(task, rows):
            rows = merge(rows, row)
            save_accuracy_profile(
                AccuracyProfile(
                    sorted(rows, key=lambda row: (row.clip, row.codec, row.sent_edge, row.kbps)),
                    reference=reference.name,
                    clips=clips,
                    machine=made_on,
                    versions=package_versions("torch", "av", "opencv-python-headless"),
                    command=command_line(arguments, before.command if before else ""),
                ),
                out,
            )
    progress.end()
    print(f"{out}: {len(rows)} measurements of {model.name}", file=sys.stderr)
    return 0


def _compared(options: argparse.Namespace) -> compared_models.Compared:
    if options.model is not None:
        return compared_models.of_settings(options.config, options.model, options.reference)
    if options.config is not None or options.reference is not None:
        raise UsageError("--config and --reference go with --model")
    return compared_models.built_in(options.network or "yolov4-tiny")


def _inputs(options: argparse.Namespace, model: Model) -> tuple[int, ...]:
    """The input sides to measure; a model's own are served, so no others count."""
    if options.model is None:
        return (128, 416) if options.quick else INPUT_LONG_SIDES
    own = tuple(long_side for long_side in model.long_sides if long_side in LONG_SIDES)
    if not own:
        raise UsageError(f"--model: {model.name} has no input size of 128 to 608")
    return (own[0], own[-1]) if options.quick else own


def _codecs_for(options: argparse.Namespace) -> tuple[str, ...]:
    return (*_DEFAULT_CODECS, NONE) if options.coco else _DEFAULT_CODECS


def _clips(options: argparse.Namespace) -> list[EvaluationClip]:
    seconds = min(4, options.seconds) if options.quick else options.seconds
    frames = options.frames or (8 if options.quick else 36)
    clips: list[Clip] = []
    if options.video:
        clips = [from_file(path, options.fps, seconds) for path in options.video]
        if len({clip.name for clip in clips}) < len(clips):
            raise UsageError("--video: two files of the same name")
    elif not options.coco:
        clips = [from_file(samples.street_video(), options.fps, seconds), pan(options.fps, seconds)]
    materials = []
    for clip in clips:
        chosen = evaluated(len(clip.frames), clip.fps, frames)
        about = f"{clip.about}, {len(chosen)} looked at"
        materials.append(EvaluationClip(clip.name, clip.frames, clip.fps, chosen, about))
    if options.coco:
        annotations, images = options.coco
        annotated = coco.read(annotations, images, options.coco_images)
        photographs = coco.Photographs(annotated.paths)
        materials.append(
            EvaluationClip(
                coco.CLIP,
                photographs,
                1,
                range(len(photographs)),
                annotated.about,
                (JPEG, JPEG_FIT, NONE),  # a video codec needs consecutive pictures
                annotated.truth,
            )
        )
    return materials


def _codecs(text: str) -> tuple[str, ...]:
    codecs = tuple(text.split(","))
    for codec in codecs:
        if codec not in CODECS:
            raise argparse.ArgumentTypeError(f"{codec!r}: of {', '.join(CODECS)}")
    return codecs


def _sent_long_sides(text: str) -> tuple[int, ...]:
    long_sides = tuple(positive(part) for part in text.split(","))
    if min(long_sides) < 32:
        raise argparse.ArgumentTypeError(f"{text}: longest sides from 32")
    return long_sides


def _input_long_sides(text: str) -> tuple[int, ...]:
    long_sides = tuple(positive(part) for part in text.split(","))
    for long_side in long_sides:
        if long_side not in LONG_SIDES:
            raise argparse.ArgumentTypeError(f"{long_side}: 128 to 608 in steps of 32")
    return long_sides


def _rates(text: str) -> tuple[float, ...]:
    rates = tuple(float(part) for part in text.split(","))
    if not all(1.0 <= rate <= 1e6 for rate in rates):
        raise argparse.ArgumentTypeError(f"{text}: 1 to 1000000 kbit/s")
    return rates
