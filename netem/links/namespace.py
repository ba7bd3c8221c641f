"""Network namespaces named after their owner, and the processes in them.

A name is `edgelab-<pid>-<start>-<n>`: the owner's process id and its start time in clock ticks
since boot, which distinguishes the owner from a later process with the same pid. `sweep` removes
the namespaces of owners that are gone (kill -9); it runs before a new one is made.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute, netns

PREFIX = "edgelab"
RUN = Path("/run/netns")
LOCK = Path("/run") / f"{PREFIX}.lock"
NAME = re.compile(rf"{PREFIX}-(\d+)-(\d+)-(\d+)")
INTERFACE = re.compile(r"el(\d+)[io]\d+")
TERM_S = 2.0
"""How long processes in a namespace may take to end before they are killed."""
KILL_S = 10.0
"""How long the kernel may take to kill them."""

_numbers = itertools.count()


class LinkError(Exception):
    """A link that cannot be made or has failed; the message gives the reason."""


def missing() -> str | None:
    """What this machine lacks for namespaces; None if nothing."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/proc/self/ns/net").exists():
        return "needs a Linux kernel with network namespaces"
    if shutil.which("nsenter") is None:
        return "needs nsenter (util-linux)"
    return None


class Namespace:
    """A network namespace with its loopback up; `close` removes it and ends its processes."""

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.name = f"{PREFIX}-{os.getpid()}-{start_ticks(os.getpid())}-{self.number}"
        self._children: list[subprocess.Popen[Any]] = []
        try:
            netns.create(self.name)
            if not (RUN / self.name).exists():
                raise LinkError(f"could not make the network namespace {self.name}")
            with IPRoute(netns=self.name) as route:
                route.link("set", index=index_of(route, "lo"), state="up")
        except BaseException:
            self.close()
            raise

    def popen(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Start a command in the namespace; its process. Options: subprocess.Popen's."""
        enter = ["nsenter", f"--net={RUN / self.name}", "--", *command]
        child = subprocess.Popen(enter, **options)
        self._children.append(child)
        return child

    def close(self) -> None:
        """End the processes in the namespace (TERM, then KILL) and remove it; idempotent."""
        _end_processes(self.name, TERM_S, self._children)
        _remove(self.name)

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sweep() -> list[str]:
    """Remove the namespaces, with their processes, and the interfaces of owners that are gone.

    Returns their names.
    """
    removed = []
    for path in RUN.glob(f"{PREFIX}-*") if RUN.is_dir() else ():
        match = NAME.fullmatch(path.name)
        if match and start_ticks(int(match[1])) != int(match[2]):
            _end_processes(path.name, 0.0, [])
            _remove(path.name)
            removed.append(path.name)
    with IPRoute() as route:
        for link in route.get_links():
            match = INTERFACE.fullmatch(link.get_attr("IFLA_IFNAME") or "")
            if match and not start_ticks(int(match[1])):
                with contextlib.suppress(Exception):  # already removed with its namespace
                    route.link("del", index=link["index"])
                removed.append(match[0])
    return removed


@contextlib.contextmanager
def exclusively() -> Iterator[None]:
    """One process at a time makes or sweeps, so that no two choose the same addresses."""
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Deliver SIGINT and SIGTERM only afterwards, and once; in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    before = {s: signal.getsignal(s) or signal.SIG_DFL for s in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _: received.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


def index_of(route: IPRoute, interface: str) -> int:
    """The interface's index. Raises LinkError if there is none."""
    found = route.link_lookup(ifname=interface)
    if not found:
        raise LinkError(f"no interface {interface}")
    return int(found[0])


def _remove(name: str) -> None:
    if (RUN / name).exists():
        netns.remove(name)


def _end_processes(name: str, term_s: float, children: Sequence[subprocess.Popen[Any]]) -> None:
    """Send TERM, then KILL to processes that are left after `term_s`; reaps the children.

    A child that was started a moment ago may not have entered the namespace yet.
    """
    deadline = time.monotonic() + term_s
    terminated: set[int] = set()
    while pids := sorted({*processes_in(name), *(c.pid for c in children if c.poll() is None)}):
        late = time.monotonic() >= deadline
        if time.monotonic() >= deadline + KILL_S:
            raise LinkError(f"processes {pids} in {name} cannot be killed")
        for pid in pids:
            if late or pid not in terminated:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                terminated.add(pid)
        time.sleep(0.01)


def processes_in(name: str) -> list[int]:
    """The ids of the processes in the namespace now, except this one's."""
    try:
        inode = (RUN / name).stat().st_ino
    except OSError:
        return []
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # A zombie has no namespace; its parent reaps it.
                if (entry / "ns" / "net").stat().st_ino == inode:
                    pids.append(int(entry.name))
    return [pid for pid in pids if pid != os.getpid()]


def start_ticks(pid: int) -> int:
    """A process's start time in clock ticks since boot; 0 if there is none, or it is a zombie."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state in "ZX" else int(fields[18])
