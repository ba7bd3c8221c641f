"""`edge watch`: a server's detections as JSON lines."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from edge.cli import EXIT_USAGE, fail

ABOUT = """Print the results of a server's sessions as JSON lines, one a frame, until Ctrl-C: each
with its session's name and label. A lost connection is made again, and continues where it was."""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = commands.add_parser(
        "watch", help="detections of a server's sessions as JSON lines", description=ABOUT
    )
    parser.add_argument("url", metavar="URL", help="the server: https://HOST:PORT")
    parser.add_argument("--session", metavar="NAME", help="of this session only")
    parser.add_argument("--label", help="of sessions with this label only")
    parser.add_argument("--classes", metavar="NAME,...", help="only boxes of these classes")
    parser.add_argument(
        "--types", metavar="TYPE,...", help="only messages of these types, such as line_crossed"
    )
    parser.add_argument(
        "--token",
        help="its read or admin token; better: EDGE_READ_TOKEN or --token-file, not seen by ps",
    )
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="its first line")
    parser.add_argument("--ca", type=Path, metavar="FILE", help="trust this authority (PEM)")
    parser.add_argument("--insecure", action="store_true", help="accept any certificate")
    parser.add_argument("--count", type=_count, metavar="N", help="end after so many messages")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print messages; 0 when done, 1 if the server refuses, 2 on bad options."""
    import asyncio  # noqa: PLC0415
    import ssl  # noqa: PLC0415

    from edge.client.watch import WatchError  # noqa: PLC0415

    if not options.url.startswith(("http://", "https://")):
        return fail(f"{options.url}: a URL that starts with http:// or https://", EXIT_USAGE)
    tls: ssl.SSLContext | bool = not options.insecure
    try:
        if options.ca is not None and not options.insecure:
            tls = ssl.create_default_context(cafile=options.ca)
        token = _token(options)
    except (OSError, ValueError) as error:
        return fail(str(error), EXIT_USAGE)
    try:
        asyncio.run(_print_all(options, token, tls))
    except WatchError as error:
        return fail(str(error))
    except BrokenPipeError:  # the reader of standard output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


async def _print_all(options: argparse.Namespace, token: str | None, tls: object) -> None:
    import contextlib  # noqa: PLC0415
    import json  # noqa: PLC0415

    from edge.client.watch import watch  # noqa: PLC0415

    def retrying(reason: str, wait_s: float) -> None:
        print(f"{reason}; again in {wait_s:.1f} s", file=sys.stderr, flush=True)

    messages = watch(
        options.url,
        token=token,
        session=options.session,
        label=options.label,
        classes=[name for name in (options.classes or "").split(",") if name],
        types=[name for name in (options.types or "").split(",") if name],
        tls=tls,  # type: ignore[arg-type]
        on_retry=retrying,
    )
    left = options.count
    async with contextlib.aclosing(messages):
        async for message in messages:
            print(json.dumps(message, separators=(",", ":"), ensure_ascii=False), flush=True)
            left = None if left is None else left - 1
            if left == 0:
                return


def _token(options: argparse.Namespace) -> str | None:
    """Raises OSError, or ValueError for a file without a token."""
    if options.token_file is not None:
        lines = options.token_file.read_text().splitlines()
        if not lines or not lines[0].strip():
            raise ValueError(f"{options.token_file}: its first line is empty")
        return str(lines[0].strip())
    return options.token or os.environ.get("EDGE_READ_TOKEN") or None


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text}: at least 1")
    return value
