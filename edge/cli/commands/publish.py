"""`edge publish`: cameras, files and streams to a server; detections as JSON lines."""

from __future__ import annotations

import argparse
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli import EXIT_FAILED, EXIT_USAGE, fail

if TYPE_CHECKING:
    from edge.publish.options import PublishOptions

ABOUT = """Publish a source to an edge server until it ends, or Ctrl-C. SOURCE is an RTSP camera
(rtsp://...), a V4L2 device (/dev/video0), a video file, or an HTTP stream. H264 and VP8 are passed
through; everything else is encoded anew, as the server's hints want it. With --config, several
sources at once."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "publish", help="send a camera, a file or a stream to a server", description=ABOUT
    )
    parser.add_argument("source", nargs="?", metavar="SOURCE")
    parser.add_argument("--to", metavar="URL", help="the server: https://HOST:PORT")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="sources in TOML, instead of SOURCE"
    )
    source = parser.add_argument_group("the source (with --config, keys of each [[sources]])")
    source.add_argument("--label", help="its name on the server; default: the end of its URL")
    source.add_argument("--slo-ms", type=float, metavar="MS", help="latency objective; default 100")
    source.add_argument("--classes", metavar="NAME,...", help="report these classes only")
    source.add_argument("--model", metavar="NAME", help="a model or family of the server's")
    source.add_argument(
        "--encode",
        action="store_true",
        default=None,
        help="encode anew, following the server's hints, also what could be passed through",
    )
    source.add_argument("--loop", action="store_true", default=None, help="a file: again and again")
    source.add_argument("--rtsp-transport", choices=("tcp", "udp"), help="default tcp")
    source.add_argument(
        "--capture-clock",
        choices=("auto", "camera", "arrival"),
        help="whose time of capture to believe; default auto: the camera's where it is plausible",
    )
    source.add_argument("--video-size", metavar="WxH", help="a device: what to ask it for")
    source.add_argument("--fps", type=float, metavar="N", help="a device: what to ask it for")
    server = parser.add_argument_group("the server")
    server.add_argument(
        "--token", help="its publishing token; better: EDGE_TOKEN or --token-file, not seen by ps"
    )
    server.add_argument("--token-file", type=Path, metavar="FILE", help="its first line")
    server.add_argument("--ca", type=Path, metavar="FILE", help="trust this authority (PEM)")
    server.add_argument(
        "--insecure", action="store_true", default=None, help="accept any certificate"
    )
    parser.add_argument("--seconds", type=_seconds, metavar="S", help="end after so long")
    parser.add_argument("--json", action="store_true", help="results as JSON lines, on stdout")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Publish; 0 when done, 1 if a source failed for good, 2 on bad options."""
    import asyncio  # noqa: PLC0415

    from edge.publish.options import OptionsError  # noqa: PLC0415

    try:
        given = _options(options)
    except OptionsError as error:
        return _usage(error)
    # PyAV and aiortc load for a usable command only.
    from edge.observability import garbage_collector  # noqa: PLC0415
    from edge.publish.media.source import THREAD  # noqa: PLC0415
    from edge.publish.run import publish  # noqa: PLC0415
    from edge.rtc.transport.aiortc_adapter import InternalsError, check  # noqa: PLC0415

    try:
        check()
        garbage_collector.freeze()
        failures = asyncio.run(publish(given, json=options.json, seconds=options.seconds))
    except OptionsError as error:  # a file of the server's options
        return _usage(error)
    except InternalsError as error:
        return fail(str(error))
    for failure in failures:
        fail(failure)
    status = EXIT_FAILED if failures else 0
    if any(thread.name == THREAD for thread in threading.enumerate()):
        # A thread that still waits for a camera does not survive the interpreter's end.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def _usage(error: Exception) -> int:
    for line in str(error).splitlines():
        fail(line)
    return EXIT_USAGE


def _options(options: argparse.Namespace) -> PublishOptions:
    from edge.publish.options import OptionsError, load, of_flags  # noqa: PLC0415

    source = {
        "url": options.source,
        "label": options.label,
        "slo_ms": options.slo_ms,
        "classes": _names(options.classes),
        "model": options.model,
        "encode": options.encode,
        "loop": options.loop,
        "rtsp_transport": options.rtsp_transport,
        "capture_clock": options.capture_clock,
        "video_size": options.video_size,
        "fps": options.fps,
    }
    token = options.token
    if token is None and options.token_file is None:
        token = os.environ.get("EDGE_TOKEN") or None
    server = {
        "to": options.to,
        "token": token,
        "token_file": options.token_file,
        "ca": options.ca,
        "insecure": options.insecure,
    }
    if options.config is None:
        if options.source is None:
            raise OptionsError("SOURCE or --config FILE is needed")
        return of_flags(source, **server)
    given = [name.replace("_", "-") for name, value in source.items() if value is not None]
    if given:
        names = ", ".join("SOURCE" if name == "url" else f"--{name}" for name in given)
        raise OptionsError(f"{names}: not with --config, whose [[sources]] have these as keys")
    return load(options.config, **server)


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",")]


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1e9:
        raise argparse.ArgumentTypeError(f"{text}: more than 0")
    return value
