"""Foreign publishers on Node.js, and the streams that they send.

werift is a WebRTC stack in TypeScript (MIT), held below 0.25, which needs Node.js 22;
libdatachannel is one in C++, with the bindings of node-datachannel (MPL-2.0). npm brings both,
already built.
"""

from __future__ import annotations

import functools
import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from aiortc.rtp import RtpPacket

from edge.base.directories import cache_dir
from tests.rtc import av1_packets, vp9_packets
from tests.rtc.streams import encode, packetise

PROGRAMS = Path(__file__).with_name("node")
INSTALL_S = 120.0  # for npm, which asks its registry once
# What npm says when the fault is the lock file's: no reason to go without the publishers.
_OUR_FAULT = ("EUSAGE", "EINTEGRITY", "EJSONPARSE")


class NodeMissingError(Exception):
    """The publishers can't run here, and why."""


@functools.cache
def installed() -> Path:
    """The folder with the packages of the lock file, which are fetched once a machine.

    Raises NodeMissingError where Node.js or npm are missing or too old, or without a registry.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise NodeMissingError(f"{'npm' if node else 'Node.js'} is not installed")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    files = [PROGRAMS / name for name in ("package.json", "package-lock.json")]
    key = hashlib.sha256(b"".join(file.read_bytes() for file in files) + version.encode())
    folder = cache_dir() / "interop-node" / key.hexdigest()[:16]
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Made beside it and renamed: another process may be at the same.
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        for file in files:
            shutil.copy(file, made)
        _install(npm, made)
        try:
            Path(made).rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        else:
            Path(made).mkdir()  # for the context manager to remove
    return folder


def _install(npm: str, folder: str) -> None:
    command = [npm, "ci", "--ignore-scripts", "--engine-strict", "--no-audit", "--no-fund"]
    command += ["--fetch-retries=1", "--fetch-timeout=20000", "--prefer-offline"]
    try:
        subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=True, timeout=INSTALL_S
        )
    except subprocess.TimeoutExpired:
        raise NodeMissingError(f"npm ci has not ended in {INSTALL_S:.0f} s") from None
    except subprocess.CalledProcessError as error:
        words = [re.sub(r"^npm error ", "", line) for line in error.stderr.splitlines()]
        if any(code in error.stderr for code in _OUR_FAULT):
            raise RuntimeError(f"npm ci: {error.stderr}") from None
        raise NodeMissingError(f"npm ci: {'; '.join(words[:3])}") from None


def program(name: str, stream: Path) -> list[str]:
    """The command of a publisher, `werift` or `libdatachannel`, to which its URL is added.

    Raises NodeMissingError as `installed` does.
    """
    script = str(PROGRAMS / f"{name}.mjs")
    return ["node", script, "--packages", str(installed()), "--stream", str(stream)]


def write_stream(file: Path, codec: str, frames: int) -> Path:
    """A picture that moves, encoded, as RTP packets framed by their length (RFC 4571).

    One key frame alone is in it, the first. The publishers write payload type and source.
    """
    with file.open("wb") as out:
        if codec == "vp9":
            stream = vp9_packets.packets(vp9_packets.vp9(frames), size=1100)
        elif codec == "av1":
            stream = av1_packets.packets(av1_packets.av1(frames), size=1100)
        else:
            stream = packetise(codec, encode(codec, frames, 320, 192), size=1100)
        for frame in stream:
            for packet in frame:
                written = RtpPacket(
                    payload_type=96,
                    marker=int(packet.marker),
                    sequence_number=packet.sequence,
                    timestamp=packet.rtp,
                    payload=packet.payload,
                ).serialize()
                out.write(len(written).to_bytes(2, "big") + written)
    return file
