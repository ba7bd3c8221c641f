"""`edge demo`: the main job on a sample, end to end."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge.cli.extras import lab_extra
from edge.config import SLO_MAX_MS, SLO_MIN_MS


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    about = (
        "Serve YOLOv4-tiny to a real browser that streams a street video, and report the frames."
    )
    parser = commands.add_parser(
        "demo", help="the whole path of a frame, on a sample", description=about
    )
    parser.add_argument("--seconds", type=_seconds, default=20.0, metavar="N", help="default 20")
    parser.add_argument("--video", type=Path, metavar="FILE", help="any video; default a street")
    parser.add_argument("--slo-ms", type=_slo_ms, default=150.0, metavar="N", help="default 150")
    parser.add_argument("--fps", type=_fps, default=15, metavar="N", help="1 to 60, default 15")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the summary here")
    parser.add_argument(
        "--screenshot",
        type=Path,
        default=Path("out/demo.png"),
        metavar="FILE",
        help="default out/demo.png",
    )
    parser.add_argument("--device", default="cpu", help="default cpu")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run the demo and print its tables; 0 if frames were answered and every count adds up."""
    with lab_extra("edge demo"):
        from edge.cli import demo_run  # noqa: PLC0415  # Playwright and PyAV
    return demo_run.run(options)


def _seconds(text: str) -> float:
    return _in_range(text, 1.0, 86_400.0)


def _slo_ms(text: str) -> float:
    return _in_range(text, SLO_MIN_MS, SLO_MAX_MS)


def _fps(text: str) -> int:
    return int(_in_range(text, 1.0, 60.0))


def _in_range(text: str, least: float, most: float) -> float:
    value = float(text)
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text}: {least:g} to {most:g}")
    return value
