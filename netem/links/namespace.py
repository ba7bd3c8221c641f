"""Network namespaces with a name that says whose they are, and processes in them.

A name is `edgelab-<pid>-<start>-<n>`: the owner's process id and its start time in clock ticks
since boot, by which a pid that was given out again is told from the owner. `sweep` removes what
owners that are gone (kill -9) left behind; it runs before anything is made.
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
"""What processes in a namespace get to end by themselves, before they are killed."""
KILL_S = 10.0
"""How long the kernel may take over that."""

_numbers = itertools.count()


class LinkError(Exception):
    """A link that can't be made or has failed, and why."""


def missing() -> str | None:
    """What this machine lacks for namespaces, in words; None when it has all."""
    if os.geteuid() != 0:
        return "needs root"
    if not Path("/proc/self/ns/net").exists():
        return "needs a Linux kernel with network namespaces"
    if shutil.which("nsenter") is None:
        return "needs nsenter (util-linux)"
    return None


class Namespace:
    """A network namespace with its loopback up; gone after `close`, with all processes in it."""

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
        """Starts a command in the namespace; the process is the command's own. Options are those of
        subprocess.Popen."""
        enter = ["nsenter", f"--net={RUN / self.name}", "--", *command]
        child = subprocess.Popen(enter, **options)
        self._children.append(child)
        return child

    def close(self) -> None:
        """Ends the processes in the namespace (TERM, then KILL) and removes it; idempotent."""
        _end_processes(self.name, TERM_S, self._children)
        for child in self._children:
            child.wait()
        _remove(self.name)

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sweep() -> list[str]:
    """Removes namespaces, with their processes, and interfaces of owners that are gone. Returns
    their names."""
    gone = []
    for path in RUN.glob(f"{PREFIX}-*") if RUN.is_dir() else ():
        match = NAME.fullmatch(path.name)
        if match and start_ticks(int(match[1])) != int(match[2]):
            _end_processes(path.name, 0.0, [])
            _remove(path.name)
            gone.append(path.name)
    with IPRoute() as route:
        for link in route.get_links():
            match = INTERFACE.fullmatch(link.get_attr("IFLA_IFNAME") or "")
            if match and not start_ticks(int(match[1])):
                with contextlib.suppress(Exception):  # it went with its namespace meanwhile
                    route.link("del", index=link["index"])
                gone.append(match[0])
    return gone


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Only one process at a time makes or sweeps: so no two choose the same addresses."""
    with LOCK.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ctrl-C waits until what is being made or removed is: in the main thread, at most once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    before = {s: signal.getsignal(s) or signal.SIG_DFL for s in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, lambda number, _: seen.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if seen:
            signal.raise_signal(seen[0])


def index_of(route: IPRoute, interface: str) -> int:
    """The interface's index; LinkError where there is none."""
    found = route.link_lookup(ifname=interface)
    if not found:
        raise LinkError(f"no interface {interface}")
    return int(found[0])


def _remove(name: str) -> None:
    if (RUN / name).exists():
        netns.remove(name)


def _end_processes(name: str, term_s: float, children: Sequence[subprocess.Popen[Any]]) -> None:
    """TERM, and KILL to what is still there after `term_s`."""
    deadline = time.monotonic() + term_s
    asked: set[int] = set()
    while pids := processes_in(name):
        late = time.monotonic() >= deadline
        if time.monotonic() >= deadline + KILL_S:
            raise LinkError(f"processes {pids} in {name} can't be killed")
        for pid in pids:
            if late or pid not in asked:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
                asked.add(pid)
        for child in children:
            child.poll()
        time.sleep(0.01)


def processes_in(name: str) -> list[int]:
    """Who is in the namespace now, by comparing each process's namespace with it."""
    try:
        inode = (RUN / name).stat().st_ino
    except OSError:
        return []
    pids = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                # A zombie has no namespace to compare, and is its parent's business.
                if (entry / "ns" / "net").stat().st_ino == inode:
                    pids.append(int(entry.name))
    return [pid for pid in pids if pid != os.getpid()]


def start_ticks(pid: int) -> int:
    """When a process started, in clock ticks since boot; 0 when there is none (or a zombie)."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if state in "ZX" else int(fields[18])
