"""A director and nodes, each in a namespace of its own, and what is done to them.

All links meet in a namespace that this process makes for itself, so that the machine's own
interfaces stay as they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
from pyroute2 import IPRoute

from edge.ipc.parent_watch import terminate_with_parent
from netem.links.emulated_link import EmulatedLink
from netem.links.namespace import LinkError, index_of, processes_in
from traces.trace import constant

LAN_BPS = 1e9
PORT = 8000
GPU = Path(__file__).parents[2] / "profiles" / "sim-rtx2080ti.json"
START_S = 120.0
_LOOK_S = 0.25
_TOKEN = "operator-of-the-laboratory"
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


class MachineError(Exception):
    """A machine of the fleet did not do what it should; the message names it."""


def own_network() -> None:
    """Move this thread, and what it starts, to a new network that forwards between its links."""
    import ctypes  # noqa: PLC0415

    new_network = 0x4000_0000  # CLONE_NEWNET
    if ctypes.CDLL(None, use_errno=True).unshare(new_network):
        raise LinkError(f"no network of its own: {os.strerror(ctypes.get_errno())}")
    _FORWARDING.write_text("1")
    with IPRoute() as route:
        route.link("set", index=index_of(route, "lo"), state="up")


class Machine:
    """`python -m edge ...` in a namespace behind a fast link, at `url`."""

    def __init__(self, name: str, folder: Path, stack: contextlib.ExitStack) -> None:
        self.name = name
        self.link = stack.enter_context(EmulatedLink(constant(LAN_BPS), default_route=True))
        self.url = f"http://{self.link.inside_address}:{PORT}"
        self._folder = folder / name
        self._folder.mkdir()
        self._log = folder / f"{name}.log"
        self._arguments: Sequence[str] = ()
        self._settings: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, **settings: str) -> None:
        """With these arguments and settings by their names in the environment."""
        self._arguments, self._settings = arguments, settings
        self.start_again()

    def start_again(self) -> None:
        """As it was started before."""
        command = [sys.executable, "-m", "edge", *self._arguments]
        command += ["--http", "--host", "0.0.0.0", "--port", str(PORT)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EDGE_")}
        limits = {"EDGE_DATA": str(self._folder), "EDGE_MAX_REQUESTS_PER_S": "10000"}
        limits |= {"EDGE_MAX_POSTS_PER_MINUTE": "1000", "EDGE_ADMIN_TOKEN": _TOKEN}
        with self._log.open("ab") as log:
            self._process = self.link.popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=Path(__file__).parents[2],
                env={**kept, **limits, **self._settings},
                preexec_fn=terminate_with_parent,
            )

    def signal(self, number: signal.Signals) -> None:
        """To all its processes."""
        for pid in processes_in(self.link.namespace):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    async def kill(self) -> None:
        """SIGKILL; returns once the process has ended."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)

    def check(self) -> None:
        """Raise MachineError if its process has ended."""
        if self._process is not None and self._process.poll() is not None:
            text = self._log.read_text(errors="replace")[-500:]
            raise MachineError(f"{self.name} has ended: {text}")


class Machines:
    """A director, and nodes by name; `bystander` takes one session and is never killed."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self.director = Machine("director", folder, stack)
        self.nodes = {name: Machine(name, folder, stack) for name in ("a", "b", "bystander")}

    async def start(self) -> None:
        """Returns once each node takes sessions."""
        self.director.start("direct", "--fleet-listen", "0.0.0.0:4222")
        engine = f"nats://{self.director.link.inside_address}:4222"
        for name, node in self.nodes.items():
            more = ("--max-sessions", "1") if name == "bystander" else ()
            node.start(
                *("serve", "--device", f"sim:{GPU}", "--ingest", "0", "--fleet", engine, *more),
                EDGE_FLEET=json.dumps({"name": name}),
                EDGE_ADMISSION="false",  # a busy machine may have no room for one publisher more
            )
        await self.ready()

    async def ready(self) -> None:
        """Until the director knows each node as alive and ready. Raises MachineError."""
        wanted, found = set(self.nodes), set[str]()
        try:
            async with asyncio.timeout(START_S), aiohttp.ClientSession() as http:
                while found != wanted:
                    for machine in (self.director, *self.nodes.values()):
                        machine.check()
                    with contextlib.suppress(aiohttp.ClientError):
                        found = await self._ready_nodes(http)
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            missing = ", ".join(sorted(wanted - found))
            raise MachineError(f"not ready within {START_S:g} s: {missing}") from None

    async def _ready_nodes(self, http: aiohttp.ClientSession) -> set[str]:
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        async with http.get(f"{self.director.url}/api/nodes", headers=headers) as response:
            answer: dict[str, Any] = await response.json()
        nodes = answer.get("nodes", ())
        return {each["node"] for each in nodes if each["state"] == "fresh" and each["ready"]}
