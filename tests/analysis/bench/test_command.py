"""`python -m analysis bench NAME`: which benchmarks there are, and how their failures end."""

from __future__ import annotations

import argparse
import sys
from types import ModuleType

import pytest

from analysis.bench import command
from analysis.bench.report import MeasurementError
from edge.cli.extras import ExtraMissingError


def test_every_package_is_a_benchmark() -> None:
    assert command.names() == [
        "busy", "detector", "direct", "fair", "fleet", "handover", "hold", "ingest", "loss", "rate",
        "receive", "scheduler", "sinks", "soak", "tracks",
    ]  # fmt: skip


class Benchmark(ModuleType):
    """Stands in for a benchmark's module `command`."""

    def __init__(self, outcome: int | Exception) -> None:
        super().__init__("analysis.bench.soak.command", "A benchmark that measures nothing.")
        self.outcome = outcome
        self.minutes: float | None = None

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--minutes", type=float)

    def run(self, options: argparse.Namespace) -> int:
        self.minutes = options.minutes
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def run(
    outcome: int | Exception, monkeypatch: pytest.MonkeyPatch, *rest: str
) -> tuple[int, Benchmark]:
    benchmark = Benchmark(outcome)
    monkeypatch.setitem(sys.modules, "analysis.bench.soak.command", benchmark)
    parser = argparse.ArgumentParser()
    command.add(parser)
    options = parser.parse_args(["soak", *rest])
    return options.run(options), benchmark


def test_a_benchmark_gets_its_own_arguments_and_its_status_is_returned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    status, benchmark = run(1, monkeypatch, "--minutes", "2.5")
    assert status == 1
    assert benchmark.minutes == 2.5


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MeasurementError("two processors are needed"), "two processors are needed"),
        (TimeoutError(), "TimeoutError"),
        (OSError("no such device"), "no such device"),
    ],
)
def test_a_benchmark_that_cannot_measure_is_exit_status_1(
    error: Exception,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(error, monkeypatch)[0] == 1
    assert capsys.readouterr().err == f"error: {message}\n"


def test_a_missing_package_of_the_laboratory_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = ModuleNotFoundError("No module named 'pyroute2'", name="pyroute2")
    with pytest.raises(ExtraMissingError, match="`python -m analysis bench soak` needs pyroute2"):
        run(missing, monkeypatch)
