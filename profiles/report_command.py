"""`python -m profiles report`: one page on a device, a GPU's paths and tests included."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import av

from edge.assets import samples
from edge.ipc.picture import Picture
from edge.models.weights import WEIGHTS, load_network
from edge.profile.host import describe_machine, file_stem, package_versions, processor_name
from edge.profile.latency import LatencyEntry
from edge.profile.stored_profile import RUNTIME_PACKAGES
from edge.profile.variant import LONG_SIDES, Variant
from edge.workers.handle import WorkerError
from edge.workers.pool import WorkerStatus
from profiles import latency_measurement
from profiles.accuracy.codecs import sent_size
from profiles.arguments import (
    batch_sizes,
    command_line,
    of_network,
    torch_device,
    variant_names,
)
from profiles.measured_device import BatchFailedError, MeasuredDevice, measured_device
from profiles.progress import ProgressReport
from profiles.report import decode_timing
from profiles.report.device_report import (
    DecodeTiming,
    DeviceReport,
    GraphTiming,
    InputTiming,
    MemoryUse,
)
from profiles.report.markdown import page
from profiles.report.runtime_tests import run_tests

_BATCHES = (1, 2, 4, 8)
_SHAPE = (16, 9)
_DECODED_SIDES = (416, 1280)
_DECODED_FRAMES = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", type=torch_device, default="cpu", help="cpu (default), cuda:N")
    parser.add_argument("--network", default="yolov4-tiny", choices=list(WEIGHTS))
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a Darknet weight file")
    parser.add_argument("--variants", type=variant_names, metavar="LIST", help="default: all")
    parser.add_argument("--batches", type=batch_sizes, metavar="LIST", help="default 1,2,4,8")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("out/report"),
        metavar="FOLDER",
        help="for DEVICE.md and DEVICE.json; default out/report",
    )
    parser.add_argument("--no-tests", action="store_true", help="leave the tests out")
    parser.add_argument(
        "--quick", action="store_true", help="fewer inputs, batches and rounds: a first look"
    )


def run(options: argparse.Namespace, arguments: list[str]) -> int:
    """Exit status: 0; 1 if the device could not be measured, or a test failed."""
    try:
        report = asyncio.run(_report(options, arguments))
    except (WorkerError, BatchFailedError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"{file_stem(report.device)}.md"
    path.write_text(page(report))
    path.with_suffix(".json").write_text(json.dumps(report.as_json(), indent=1) + "\n")
    print(f"{path}: written{'' if report.passed else '; tests FAILED'}", file=sys.stderr)
    return 0 if report.passed else 1


async def _report(options: argparse.Namespace, arguments: list[str]) -> DeviceReport:
    long_sides = LONG_SIDES[::3] if options.quick else LONG_SIDES
    names = of_network(options.variants, options.network, long_sides)
    variants = [Variant.parse(name) for name in names]
    batches = options.batches or (_BATCHES[:2] if options.quick else _BATCHES)
    _say("decoding")
    frames = list(samples.pictures(samples.street_video(), 6))[:_DECODED_FRAMES]
    decoding = list(_decoding(frames[: 15 if options.quick else None]))
    cases = latency_measurement.cases(names, (_SHAPE,), batches)
    async with measured_device(
        options.device,
        options.network,
        cases,
        (_SHAPE,),
        weights=options.weights,
        on_progress=_say,
    ) as device:
        name = processor_name() if options.device == "cpu" else device.description
        latency = await _latency(device, cases, 1 if options.quick else 3)
        memory = _memory(device.status())
    _say("the parts of a batch")
    graphs, inputs = _parts(options, variants, batches, frames)
    tests = None
    if not options.no_tests:
        _say("the runtimes' tests (some minutes)")
        tests = run_tests()
    return DeviceReport(
        device=name,
        machine=describe_machine(),
        versions=package_versions(*RUNTIME_PACKAGES, "numpy", "av"),
        command=command_line(arguments),
        network=options.network,
        latency=latency,
        memory=memory,
        graphs=graphs,
        inputs=inputs,
        decoding=decoding,
        tests=tests,
    )


async def _latency(
    device: MeasuredDevice, cases: Sequence[latency_measurement.LatencyCase], rounds: int
) -> list[LatencyEntry]:
    todo = latency_measurement.schedule(cases, [], rounds)
    progress = ProgressReport(float(len(todo)))
    done = []
    for case in todo:
        done.append(await latency_measurement.measure(device.run, case))
        progress.step(1.0, f"{case.variant}, batch {case.batch}")
    progress.end()
    return latency_measurement.entries(done)


def _memory(status: WorkerStatus) -> MemoryUse:
    is_gpu = status.device.startswith("cuda")
    used, total = (status.memory if is_gpu else None) or (None, None)
    return MemoryUse(_proportional_bytes(status.pid), used, total)


def _proportional_bytes(pid: int | None) -> int:
    """Of a process, as Linux shares pages out (proc_pid_smaps_rollup(5)); 0 where it does not."""
    path = Path(f"/proc/{pid}/smaps_rollup")
    if pid is None or not path.is_file():
        return 0
    [kib] = [line.split()[1] for line in path.read_text().splitlines() if line.startswith("Pss:")]
    return 1024 * int(kib)


def _decoding(frames: Sequence[av.VideoFrame]) -> Iterator[DecodeTiming]:
    for long_side in _DECODED_SIDES:
        size = sent_size(frames[0].width, frames[0].height, long_side)
        scaled = [frame.reformat(*size, format="yuv420p") for frame in frames]
        for codec in decode_timing.ENCODERS:
            yield decode_timing.decode_timing(codec, scaled)


def _parts(
    options: argparse.Namespace,
    variants: Sequence[Variant],
    batches: Sequence[int],
    frames: Sequence[av.VideoFrame],
) -> tuple[list[GraphTiming], list[InputTiming]]:
    # Imported here: PyTorch takes seconds, and some hundred MB.
    from edge.models.runtime.torch.torch_detector import TorchDetector  # noqa: PLC0415
    from profiles.report.device_timing import graph_timing, input_timing  # noqa: PLC0415

    detector = None
    if options.device != "cpu":
        network = load_network(options.network, options.weights)
        detector = TorchDetector(options.network, network, device=options.device)
    graphs, inputs = [], []
    for variant in variants:
        size = variant.fit(*_SHAPE)
        scaled = [frame.reformat(*size, format="yuv420p") for frame in frames[: batches[-1]]]
        pictures = [Picture.from_av(frame) for frame in scaled]
        for batch in batches:
            if detector is not None:
                graphs.append(graph_timing(detector, variant, pictures[:batch]))
            inputs.append(input_timing(detector, variant, pictures[:batch]))
    return graphs, inputs


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
