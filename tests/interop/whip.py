"""A server, a publisher that is a program of its own, and what became of each of its frames."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from edge.rtc.reception_stats import ReceptionCounts
from edge.session.session import Session
from tests.serving import base, local, serving

SYSTEM_PYTHON = "/usr/bin/python3"  # Debian's bindings of GStreamer are its own
GSTREAMER = (SYSTEM_PYTHON, str(Path(__file__).with_name("gstreamer_publisher.py")))
FFMPEG = (sys.executable, "-m", "tests.interop.ffmpeg_publisher")
FRAMES = 45
WAIT_S = 120.0  # for a publisher's end; long, as the machine may be busy

_GSTREAMER_NEEDS = ("webrtcbin", "nicesrc", "dtlsenc", "srtpenc", "vp8enc", "x264enc", "opusenc")


@dataclass(slots=True)
class Published:
    """What one publisher sent, and what the server made of it.

    `outcomes` counts frames by outcome, `messages` those of the event stream by type; `bye` is why
    the session ended. `reception` counts the packets that came; None without a session.
    """

    status: int
    output: str
    errors: str
    outcomes: Counter[str] = field(default_factory=Counter)
    messages: Counter[str] = field(default_factory=Counter)
    bye: str = ""
    reception: ReceptionCounts | None = None

    @property
    def report(self) -> dict[str, Any]:
        """What it says of itself, in its last line."""
        report: dict[str, Any] = json.loads(self.output.strip().splitlines()[-1])
        return report

    @property
    def sent(self) -> int:
        """The frames that it says it has sent."""
        return int(self.report["sent"])

    def check(self) -> None:
        """Every frame that was sent has one outcome, all were received, and some are answered.

        How many is for the machine: where it is busy, newer frames replace waiting ones.
        """
        assert self.status == 0, self.errors[-2000:]
        ended = sum(self.outcomes.values())
        assert ended == self.sent, (self.outcomes, self.sent)
        assert self.outcomes["lost"] == 0, self.outcomes
        assert self.outcomes["answered"] > 0, self.outcomes


def gstreamer_missing() -> str:
    """Why GStreamer can't publish here; empty if it can."""
    script = (
        "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('GstSdp', '1.0');"
        "from gi.repository import Gst, GstSdp, GstWebRTC; Gst.init(None);"
        f"print([n for n in {_GSTREAMER_NEEDS!r} if Gst.ElementFactory.find(n) is None])"
    )
    try:
        asked = subprocess.run(
            [SYSTEM_PYTHON, "-c", script], capture_output=True, text=True, check=False, timeout=60
        )
    except OSError as error:
        return f"{SYSTEM_PYTHON}: {error.strerror}"
    if asked.returncode:
        return "gir1.2-gst-plugins-bad-1.0 or python3-gi is not installed"
    missing = asked.stdout.strip()
    return "" if missing == "[]" else f"GStreamer has no {missing}"


async def publish(
    program: Sequence[str], *options: str, slo_ms: int = 2000, **settings: Any
) -> Published:
    """Run a publisher against a server of its own until it ends, and read its results.

    They come by the event stream, as to a publisher without data channels. `settings` are the
    server's.
    """
    async with serving(**settings) as server, aiohttp.ClientSession() as http:
        url = base(server)
        process = await asyncio.create_subprocess_exec(
            *program,
            f"{url}/whip?slo_ms={slo_ms}",
            *options,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        ended = asyncio.ensure_future(process.communicate())
        try:
            async with asyncio.timeout(WAIT_S):
                session = await _session(lambda: local(server), ended)
                events: Counter[str] = Counter()
                bye = ""
                if session is not None:
                    bye = await _follow(http, f"{url}/whip/{session.id}/results", events)
                output, errors = await ended
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        return Published(
            process.returncode or 0,
            output.decode(),
            errors.decode(errors="replace"),
            Counter(session.outcomes) if session is not None else Counter(),
            events,
            bye,
            session.peer.counts if session is not None else None,
        )


async def _session(
    sessions: Callable[[], list[Session]], ended: asyncio.Future[tuple[bytes, bytes]]
) -> Session | None:
    """The publisher's session once it is there; None if the publisher ended without one."""
    while not (found := sessions()):
        done, _ = await asyncio.wait([ended], timeout=0.02)  # a registry has no event to wait for
        if done:
            return None
    return found[0]


async def _follow(http: aiohttp.ClientSession, url: str, events: Counter[str]) -> str:
    """Count a session's messages until its end, and return why it ended."""
    async with http.get(url) as stream:
        async for line in stream.content:
            if line.startswith(b"data: "):
                message = json.loads(line[6:])
                events[message["type"]] += 1
                if message["type"] == "bye":
                    return str(message["message"])
    return ""
