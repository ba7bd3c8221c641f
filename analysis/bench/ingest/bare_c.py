"""A lower bound for a frame's cost: the same packets through libsrtp2 and libvpx, in C."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from pylibsrtp import Policy, Session

from edge.client.rtp.rtp_packetiser import Packetiser
from edge.rtc.rtp import ExtensionIds
from netem.publisher.steady_publisher import clip

_SOURCE = Path(__file__).parent / "bare.c"
_FRAMES = 400
_PACKAGES = "a C compiler, libsrtp2-dev and libvpx-dev (Debian's names)"


def cpu_ms(long_side: int, fps: int, bps: float, *, rounds: int = 10) -> tuple[float | None, str]:
    """Processor time a frame in ms, or None and the reason why it cannot be measured."""
    compiler = shutil.which("cc")
    if compiler is None:
        return None, f"no `cc`: {_PACKAGES} are needed"
    with tempfile.TemporaryDirectory(prefix="edge-bench-") as folder:
        program, packets = Path(folder) / "bare", Path(folder) / "packets"
        built = subprocess.run(
            [compiler, "-O2", "-o", program, _SOURCE, "-lsrtp2", "-lvpx"],
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode:
            lines = [line for line in built.stderr.splitlines() if "error" in line]
            return None, f"{_PACKAGES} are needed: {(lines or ['it does not build'])[0]}"
        takes = clip(long_side, fps, bps).takes
        frames = [frame for take in takes for frame in take][:_FRAMES]
        packets.write_bytes(_sealed(frames, fps))
        ran = subprocess.run(
            [program, packets, str(rounds)], capture_output=True, text=True, check=False
        )
        if ran.returncode:
            return None, f"it failed: {ran.stderr.strip()}"
    figures = json.loads(ran.stdout)
    return 1000.0 * figures["cpu_s"] / figures["frames"], ""


def _sealed(frames: list[bytes], fps: int) -> bytes:
    """The key, then each packet behind its length."""
    key = os.urandom(30)
    session = Session(
        Policy(
            key=key,
            ssrc_type=Policy.SSRC_ANY_OUTBOUND,
            srtp_profile=Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
        )
    )
    packetiser = Packetiser(1, 96, ExtensionIds(abs_send_time=3))
    parts = [key]
    for index, frame in enumerate(frames):
        for packet in packetiser.frame(frame, index * 90_000 // fps, 0.0, droppable=False):
            sealed = session.protect(packet)
            parts += [struct.pack("!H", len(sealed)), sealed]
    return b"".join(parts)
