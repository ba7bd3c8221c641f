"""A device's report as a page of Markdown. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.profile.latency import LatencyEntry
from profiles.report.device_report import DeviceReport

_MIB = 1 << 20
_FPS = 15  # of a session, for the column of sessions


def page(report: DeviceReport) -> str:
    """The whole page; ends with a line feed."""
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    parts = [
        f"# {report.device}",
        f"{report.machine}; {versions}.\n\n    {report.command}",
        *_speed(report.network, report.latency),
        *_memory(report),
        *_graphs(report),
        *_inputs(report),
        *_decoding(report),
        *_tests(report),
    ]
    return "\n\n".join(parts) + "\n"


def _speed(network: str, entries: Sequence[LatencyEntry]) -> list[str]:
    batches = sorted({entry.batch for entry in entries})
    inputs = dict.fromkeys((e.variant, e.width, e.height) for e in entries)
    found = {(e.variant, e.width, e.height, e.batch): e for e in entries}
    latency, rate = [], []
    for key in inputs:
        row = [found.get((*key, batch)) for batch in batches]
        name = f"{key[0]}, {key[1]}x{key[2]}"
        latency.append([name, *(f"{e.p50_ms:.1f} / {e.p99_ms:.1f}" if e else "" for e in row)])
        per_s = [1000.0 * e.batch / e.p50_ms if e else 0.0 for e in row]
        rate.append([name, *(f"{each:,.0f}" if each else "" for each in per_s)])
        rate[-1].append(f"{max(per_s) / _FPS:,.0f}")
    head = [f"batch {batch}" for batch in batches]
    return [
        "## Latency",
        f"{network}, a batch from submission to its boxes, p50 / p99 in ms; how it is measured: "
        "docs/measure/profiles.md.",
        _table(["input", *head], latency),
        "## Throughput",
        f"Pictures a second, one batch after the other; the last column: sessions of {_FPS} frames "
        "a second at the best batch size, no headroom.",
        _table(["input", *head, "sessions"], rate),
    ]


def _memory(report: DeviceReport) -> list[str]:
    memory = report.memory
    lines = [f"The worker process: {memory.process_bytes / _MIB:,.0f} MiB (proportional)."]
    if memory.device_bytes is not None and memory.device_total_bytes is not None:
        used, total = memory.device_bytes / _MIB, memory.device_total_bytes / _MIB
        lines.append(f"The device: {used:,.0f} of {total:,.0f} MiB.")
    return ["## Memory", " ".join(lines)]


def _graphs(report: DeviceReport) -> list[str]:
    if not report.graphs:
        return ["## CUDA graphs", "None: the device is no CUDA GPU."]
    rows = [
        [
            each.variant,
            str(each.batch),
            f"{each.record_ms:.0f}",
            f"{each.launched_ms:.2f}",
            f"{each.replayed_ms:.2f}",
        ]
        for each in report.graphs
    ]
    return [
        "## CUDA graphs",
        "The forward pass alone, median in ms: recorded once, then launched kernel by kernel or "
        "replayed.",
        _table(["variant", "batch", "recording", "launched", "replayed"], rows),
    ]


def _inputs(report: DeviceReport) -> list[str]:
    rows = [
        [each.variant, str(each.batch), f"{each.copied_bytes / 1000:,.0f}", f"{each.ms:.2f}"]
        for each in report.inputs
    ]
    return [
        "## Upload and input",
        "From decoded pictures to the network's input (copied to a GPU, scaled, colours "
        "converted), median in ms; kB copied to the device.",
        _table(["variant", "batch", "kB copied", "ms"], rows),
    ]


def _decoding(report: DeviceReport) -> list[str]:
    rows = [
        [each.codec, f"{each.width}x{each.height}", f"{each.ms:.2f}", f"{1000 / each.ms:,.0f}"]
        for each in report.decoding
    ]
    return [
        "## Decoding",
        "On one core of this machine's processor, ms of processor time a frame.",
        _table(["codec", "picture", "ms", "frames a second"], rows),
    ]


def _tests(report: DeviceReport) -> list[str]:
    if report.tests is None:
        return []
    outcome = "passed" if report.passed else f"FAILED (exit {report.tests.exit_status})"
    return ["## Tests", f"`{report.tests.command}`: {outcome}: {report.tests.summary}"]


def _table(head: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    columns = list(head)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
