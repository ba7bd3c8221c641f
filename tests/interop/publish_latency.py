"""From the camera's timestamp to the boxes: `edge publish` beside a browser, in turn.

    python -m tests.interop.publish_latency [--seconds N] [--rounds N] [--device D]

An RTSP camera (GStreamer's server) and Chromium show the same street video at 15 frames a second
to the same kind of server; passed through, encoded anew, and by `edge demo`, one after the other,
in each round. Writes a line a run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.frame import PictureType
from av.video.stream import VideoStream

from edge.assets import samples
from tests.free_port import free_port
from tests.interop.publishing import camera, edge_publish, edge_serve

FPS, SLO_MS = 15, 150


def street(path: Path, seconds: float) -> Path:
    """The street video at `FPS`, again and again for so long, for the camera."""
    pictures = list(samples.pictures(samples.street_video(), FPS))
    with av.open(str(path), "w") as output:
        stream = output.add_stream("libx264", rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = pictures[0].width, pictures[0].height
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "16", "bf": "0"}
        for number in range(round(FPS * seconds)):
            picture = pictures[number % len(pictures)].reformat(format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, FPS)
            picture.pict_type = PictureType.NONE
            output.mux(stream.encode(picture))
        output.mux(stream.encode(None))
    return path


async def published(camera_url: str, url: str, seconds: float, *more: str) -> dict[str, Any]:
    """The summary of an `edge publish`, and the camera's own part of the way."""
    arguments = (camera_url, "--to", url, "--slo-ms", str(SLO_MS), "--seconds", str(seconds))
    async with edge_publish(*arguments, *more) as publishing:
        await publishing.ended()
        [summary] = publishing.of_type("summary")
        told = [line for line in publishing.errors if "by its clock" in line]
        return {**summary, "camera": told[-1].rpartition("camera ")[2] if told else "unknown"}


async def demo(device: str, seconds: float, folder: Path) -> dict[str, Any]:
    """The summary of an `edge demo`."""
    path = folder / "demo.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "edge", "demo", "--device", device, "--slo-ms", str(SLO_MS)),
        *("--seconds", str(seconds), "--json", str(path)),
        *("--screenshot", str(folder / "demo.png")),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    await process.wait()
    summary: dict[str, Any] = json.loads(path.read_text())
    return summary


def show(name: str, summary: dict[str, Any]) -> None:
    """A line of Markdown's tables."""
    latency = summary["latency_ms"]
    quantiles = " / ".join(f"{latency.get(p, float('nan')):.0f}" for p in ("p50", "p90", "p99"))
    cells = (
        name,
        str(summary["captured"]),
        f"{100.0 * summary['in_time'] / max(1, summary['captured']):.1f} %",
        quantiles,
        summary.get("camera", ""),
        ", ".join(f"{n} {reason}" for reason, n in summary["dropped"].items()) or "none",
        f"{os.getloadavg()[0]:.1f}",
    )
    print("| " + " | ".join(cells) + " |", flush=True)


async def measure(options: argparse.Namespace) -> None:
    size = "640x272"  # the video's own
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = street(folder / "street.mp4", 2 * options.seconds + 60.0)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        for number in range(1, options.rounds + 1):
            async with (
                camera("--video", str(video), "--size", size) as rtsp,
                edge_serve(options.device, port),
            ):
                await asyncio.sleep(5.0)  # its device starts
                for how, more in (("passed through", ()), ("encoded anew", ("--encode",))):
                    summary = await published(rtsp.url, url, options.seconds, *more)
                    show(f"{number}, {how}", summary)
            show(f"{number}, browser", await demo(options.device, options.seconds, folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="sim:sim-rtx2080ti")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
