"""All figures of what there is to draw, in the order of the page."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from analysis.figures.exhibit import Exhibit
from analysis.figures.exhibits import adaptation, answers, codecs, dnn, grid, legs, solvers
from analysis.figures.recorded_run import RecordedRun, load, read_simulated
from analysis.figures.sources import Sources, representative_runs, rivals_of
from edge.profile.accuracy import AccuracyError
from edge.profile.accuracy_file import load_accuracy_profile
from edge.profile.latency_file import load_latency_profile

_ACCURACY = "accuracy-"  # the beginning of such profiles' names


def exhibits(found: Sources, profiles: Path) -> Iterator[Exhibit]:
    """All figures, as they are made; the results are read, and refused, before the first."""
    runs = []
    for number, folder in enumerate(found.runs, 1):
        print(f"reading run {number} of {len(found.runs)}: {folder.path.name}", file=sys.stderr)
        runs.append(load(folder))
    benches = [solvers.read(path) for path in found.benches]
    outcomes = grid.from_runs(run.summary for run in runs)
    for path in found.simulated:
        outcomes += grid.from_simulator(read_simulated(path), path.stem)
    grids = grid.grids(outcomes)
    yield from of_profiles(profiles)
    for sizes in benches:
        yield solvers.quality_and_time(sizes)
    yield from grids
    yield from of_runs(runs)


def of_profiles(folder: Path) -> Iterator[Exhibit]:
    """Latencies and accuracies of all profiles in a folder."""
    for path in sorted(folder.glob("*.json")):
        if path.stem.startswith(_ACCURACY):
            profile = load_accuracy_profile(path)
            for network in profile.networks:
                yield dnn.accuracy(profile, network)
                try:
                    yield codecs.bits_for_equal_f1(profile, network)
                except AccuracyError as error:
                    print(f"{path}: bits for equal F1: left out: {error}", file=sys.stderr)
        else:
            yield dnn.latency(load_latency_profile(path), path.stem)


def of_runs(runs: list[RecordedRun]) -> Iterator[Exhibit]:
    """One run of each setting looked into, beside its rivals."""
    summaries = [run.summary for run in runs]
    for place in representative_runs(summaries):
        run = runs[place]
        name, row = run.folder.path.name, run.summary
        measured = {frame.client for frame in run.frames if frame.measured}
        if not measured:
            continue
        about = f"{row.experiment}, {row.clients} clients, {row.trace} +{row.delay_ms:g} ms"
        about += f", {row.kind}"
        rivals = {
            runs[each].summary.policy: runs[each].frames for each in rivals_of(place, summaries)
        }
        if rivals:
            yield answers.by_policy(
                {row.policy: run.frames, **rivals}, row.slo_ms, f"answers-{name}",
                f"How soon frames are answered: {about}",
            )  # fmt: skip
        about += f", {row.policy}"
        yield adaptation.over_time(
            run, min(measured), f"adaptation-{name}", f"Adaptation over time: {about}"
        )
        if row.p50_ms is not None:
            yield legs.cdf(run.frames, row.slo_ms, f"legs-{name}", f"Latency by leg: {about}")
