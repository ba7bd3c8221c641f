"""`python -m profiles latency`: measure p50 and p99 of batches on a device."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from edge.models.weights import WEIGHTS
from edge.profile.host import describe_machine, file_stem, package_versions, processor_name
from edge.profile.latency import LatencyProfile
from edge.profile.latency_file import load_latency_profile, save_latency_profile
from edge.profile.stored_profile import RUNTIME_PACKAGES
from edge.profile.variant import LONG_SIDES, Variant
from edge.workers.handle import WorkerError
from profiles import latency_measurement
from profiles.arguments import any_device, batch_sizes, command_line, of_network, variant_names
from profiles.measured_device import BatchFailedError, measured_device
from profiles.progress import ProgressReport

_QUICK_LONG_SIDES = LONG_SIDES[::3]
_QUICK_SHAPES = latency_measurement.SHAPES[:1]
_QUICK_ROUNDS = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--device",
        type=any_device,
        default="cpu",
        help="cpu (default), cuda:N or sim:PROFILE.json",
    )
    parser.add_argument("--network", default="yolov4-tiny", choices=list(WEIGHTS))
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a Darknet weight file")
    parser.add_argument(
        "--variants",
        type=variant_names,
        metavar="LIST",
        help="default: all of the network",
    )
    parser.add_argument("--batches", type=batch_sizes, metavar="LIST", help="default 1,2,4")
    parser.add_argument(
        "--rounds", type=int, choices=range(1, 101), metavar="N", help="schedule of each, default 5"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: named after the device")
    parser.add_argument("--again", action="store_true", help="replace FILE, do not continue it")
    parser.add_argument("--quick", action="store_true", help="few variants, one shape, few rounds")


def run(options: argparse.Namespace, arguments: list[str]) -> int:
    """Exit status: 0, or 1 if the worker failed; raises ValueError for unusable input."""
    try:
        return asyncio.run(_run(options, arguments))
    except (WorkerError, BatchFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


async def _run(options: argparse.Namespace, arguments: list[str]) -> int:
    quick = options.quick
    long_sides = _QUICK_LONG_SIDES if quick else LONG_SIDES
    variants = of_network(options.variants, options.network, long_sides)
    shapes = _QUICK_SHAPES if quick else latency_measurement.SHAPES
    batches = options.batches or latency_measurement.BATCHES
    rounds = options.rounds or (_QUICK_ROUNDS if quick else latency_measurement.ROUNDS)
    every = latency_measurement.cases(variants, shapes, batches)
    async with measured_device(
        options.device,
        options.network,
        every,
        shapes,
        weights=options.weights,
        on_progress=lambda text: print(text, file=sys.stderr, flush=True),
    ) as device:
        name = processor_name() if options.device == "cpu" else device.description
        # A quick measurement must not be taken for a full one.
        ending = "-quick.json" if quick else ".json"
        out = options.out or Path("profiles") / (file_stem(name) + ending)
        before = None if options.again else _before(out, name)
        known = list(before.entries) if before else []
        keys = {(e.variant, e.width, e.height, e.batch) for e in known}
        wanted = [c for c in every if c.key not in keys]
        partial = out.with_name(out.name + ".part")
        if options.again:
            partial.unlink(missing_ok=True)
        here = {c.key for c in wanted}
        done = [v for v in latency_measurement.read_series(partial) if v.key in here]
        todo = latency_measurement.schedule(wanted, done, rounds)
        keep = latency_measurement.writer(partial)
        progress = ProgressReport(float(max(1, len(todo))))
        for case in todo:
            done.append(await latency_measurement.measure(device.run, case))
            keep(done[-1])
            width, height = case.input_size
            progress.step(1.0, f"{case.variant}, {width}x{height}, batch {case.batch}")
        progress.end()
    entries = [*known, *latency_measurement.entries(done)]
    save_latency_profile(
        LatencyProfile(
            sorted(entries, key=lambda e: (Variant.parse(e.variant), e.width, e.height, e.batch)),
            device=name,
            machine=describe_machine(),
            versions=package_versions(*RUNTIME_PACKAGES, "numpy"),
            command=command_line(arguments, before.command if before else ""),
        ),
        out,
    )
    partial.unlink(missing_ok=True)
    print(f"{out}: {len(entries)} entries", file=sys.stderr)
    return 0


def _before(out: Path, device: str) -> LatencyProfile | None:
    """The profile in a file to continue. Raises ValueError if it is another device's."""
    if not out.is_file():
        return None
    profile = load_latency_profile(out)
    if (profile.device, profile.machine) != (device, describe_machine()):
        raise ValueError(
            f"{out}: measured on {profile.device}, {profile.machine}; this is {device}, "
            f"{describe_machine()}: name another --out, or --again to replace it"
        )
    return profile
