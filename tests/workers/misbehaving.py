"""A worker with a flaw, run as a script: FLAW SOCKET_FD MEMORY_FD SERVER_PID."""

from __future__ import annotations

import os
import socket
import sys
import zlib
from collections.abc import Callable, Sequence

from edge.ipc.picture import Picture
from edge.models.boxes import Box
from edge.workers.backends import Device
from edge.workers.messages import CODEC, Done, WarmupBatch, WorkerSetup
from edge.workers.process import main

FATAL_WORDS = "the weights are cut short"


def checksum(picture: Picture) -> int:
    """16 bits that depend on every sample of the three planes, in order, and on the range."""
    crc = int(picture.full_range)
    for plane in (picture.y, picture.u, picture.v):
        crc = zlib.crc32(plane.tobytes(), crc)
    return crc & 0xFFFF


class Misbehaving:
    """Answers with a picture's checksum; a picture whose first luma is 255 brings the flaw out."""

    description = "misbehaving"

    def __init__(self, flaw: str) -> None:
        self._flaw = flaw
        self._well = True

    def warm_up(self, warm: WarmupBatch) -> None:
        """Nothing to prepare."""

    def detect(self, pictures: Sequence[Picture], variant: str) -> list[list[Box]]:
        if any(picture.y[0, 0] == 255 for picture in pictures):
            self._misbehave()
        return [[(checksum(picture), 0.5, 0.0, 0.0, 1.0, 1.0)] for picture in pictures]

    def memory(self) -> None:
        """None to tell of."""

    def device_ms(self) -> None: ...

    def healthy(self) -> bool:
        return self._well

    def _misbehave(self) -> None:
        match self._flaw:
            case "exits":
                os._exit(3)
            case "raises":
                raise RuntimeError("out of\n memory")
            case "sick":
                self._well = False
                raise RuntimeError("an illegal memory access")
            case "gibberish":
                _send(b"\x00\xff gibberish")
            case "wrong-batch":
                _send(CODEC.encode(Done(1_000_000, 0.0, 0.0)))
            case "hangs-up":
                os.close(_socket_fd())
                os.kill(os.getpid(), 19)  # SIGSTOP: it neither ends nor answers
            case _:
                raise AssertionError(self._flaw)


def _socket_fd() -> int:
    return int(sys.argv[2])


def _send(data: bytes) -> None:
    connection = socket.socket(fileno=os.dup(_socket_fd()))
    with connection:
        connection.send(data)


def open_device(setup: WorkerSetup, report: Callable[[str], None]) -> Device:
    report("starting")
    if sys.argv[1] == "fatal":
        raise ValueError(FATAL_WORDS)
    if sys.argv[1] == "dies-starting":
        os._exit(4)
    if sys.argv[1] == "silent-start":
        os.kill(os.getpid(), 19)
    return Misbehaving(sys.argv[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[2:], open_device))
