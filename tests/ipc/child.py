"""A child process for the tests of its parent's side: SCRIPT BEHAVIOUR SOCKET_FD MEMORY_FD PID.

It answers each Echo with the same text; "exit" and "freeze" are obeyed, Stop ends it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edge.ipc.child_process import Program
from edge.ipc.messages import Codec, Ready, Stop
from edge.ipc.parent_watch import die_with_parent


@dataclass(frozen=True, slots=True)
class Echo:
    """A text, both ways; the first one to the child is its setup."""

    text: str
    type: Literal["echo"] = "echo"


Message = Echo | Ready | Stop
CODEC: Codec[Message] = Codec(Message)


def program(behaviour: str, environment: dict[str, str] | None = None) -> Program[Message]:
    """This script as a supervised program, with one slot of a page."""
    command = (sys.executable, "-P", str(Path(__file__)), behaviour)
    return Program(command, CODEC, 1, 4096, environment or {})


def main(behaviour: str, socket_fd: int, server_pid: int) -> int:
    die_with_parent(server_pid)
    connection = socket.socket(fileno=socket_fd)
    setup = CODEC.decode(connection.recv(4096))
    assert isinstance(setup, Echo)
    match behaviour:
        case "fails":
            os._exit(3)
        case "freezes":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "gibberish":
            connection.send(b"\xff\n")
        case "environment":
            connection.send(CODEC.encode(Echo(os.environ.get("EDGE_TEST", ""))))
    connection.send(CODEC.encode(Ready(setup.text)))
    while data := connection.recv(4096):
        match CODEC.decode(data):
            case Echo("exit"):
                os._exit(5)  # at once: its socket closes with it
            case Echo("freeze"):
                os.kill(os.getpid(), signal.SIGSTOP)
            case Echo("hang up"):
                connection.close()
                os.kill(os.getpid(), signal.SIGSTOP)
            case Echo() as echo:
                connection.send(CODEC.encode(echo))
            case _:
                return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[4])))
