"""The faults, each injected into a server under load, and their cost."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import struct
import subprocess
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from edge.base.clock import now_ms
from edge.client.clocks import unix_ms
from edge.client.frame_outcomes import IN_TIME
from edge.client.rtp.rtp_packetiser import Packetiser
from netem.links import namespace
from netem.publisher.publisher import LightPublisher
from tests.faults import hang, shortage
from tests.faults.stage import FPS, SLO_MS, FaultStage, Resources, seconds_since, stage
from tests.serving import simulated

NOTICE_S = 2.0  # for a hung ingest process
FRAMES = 15  # answered in time of each publisher before a fault, and after it
# Outcomes that only a fault causes. Others (superseded, late, overload) also occur whenever this
# machine gives a process no time for 100 ms, which is random: the table shows them, no test does.
FAULT_OUTCOMES = ("failed", "no_plan", "lost", "too_large")
_SLOW_S, _RUN_S, _STOP_S = 3.0, 0.02, 0.08  # a worker at a fifth of its speed, for 3 s


@dataclass(frozen=True)
class FaultResult:
    """The cost of a fault; `recovery_s` may be up to `promise_s` where that is not None.

    `others` are the sessions it was not put into: all, where it was put
    into the server. Outcomes are of the others' frames, and of `dropped` the affected ones'.
    """

    fault: str
    promise_s: float | None
    recovery_s: float
    noticed_s: float | None
    dropped: int
    before: Counter[str]
    after: Counter[str]
    resources_before: Resources
    resources_after: Resources

    @property
    def caused(self) -> dict[str, int]:
        """The others' outcomes that only the fault can have caused."""
        return {name: self.after[name] for name in FAULT_OUTCOMES if self.after[name]}

    @property
    def broken(self) -> list[str]:
        """The promises that were not kept, in words."""
        broken = [f"others' frames {name}: {count}" for name, count in self.caused.items()]
        if self.promise_s is not None and self.recovery_s > self.promise_s:
            broken.append(f"recovery took {self.recovery_s:.1f} s, not {self.promise_s:g} s")
        if self.noticed_s is not None and self.noticed_s > NOTICE_S:
            broken.append(f"noticed after {self.noticed_s:.1f} s, not {NOTICE_S:g} s")
        return broken


def missed(outcomes: Counter[str]) -> int:
    """Frames that were not answered in time."""
    return outcomes.total() - outcomes[IN_TIME]


@dataclass(frozen=True)
class Fault:
    """`inject` puts it in, and returns once all is well again; the seconds until the server noticed
    it, where those are promised. `victims` are the publishers that it is put into.

    `promise_s`, from the fault to its last effect; None: there is nothing to recover from.
    """

    name: str
    inject: Callable[[FaultStage], Awaitable[float | None]]
    promise_s: float | None = None
    victims: Callable[[FaultStage], Sequence[LightPublisher]] = lambda _: ()


async def observe(fault: Fault, at: FaultStage) -> FaultResult:
    """Undisturbed load, the fault and its recovery, and load again."""
    begin_ms = unix_ms()
    await at.answered(more=FRAMES)
    resources_before = at.resources()
    injected_ms, clock_ms = unix_ms(), now_ms()
    noticed_s = await fault.inject(at)
    recovery_s = seconds_since(clock_ms)
    recovered_ms = unix_ms()
    victims = fault.victims(at)
    others = [each for each in at.publishers if each not in victims]
    await at.answered(more=FRAMES)
    end_ms = unix_ms()
    await at.ended()
    # A fault within a session must not affect the others even while it lasts.
    after_ms = injected_ms if victims else recovered_ms
    return FaultResult(
        fault.name,
        fault.promise_s,
        recovery_s,
        noticed_s,
        missed(at.outcomes(injected_ms, recovered_ms, victims or others)),
        at.outcomes(begin_ms, injected_ms, others),
        at.outcomes(after_ms, end_ms, others),
        resources_before,
        await at.released(resources_before),
    )


# -- the faults -----------------------------------------------------------------------------------


async def worker_killed(at: FaultStage) -> None:
    """SIGKILL to one of the workers, as the kernel does where memory runs out."""
    await _replaced_after(at, signal.SIGKILL)


async def worker_hung(at: FaultStage) -> None:
    """SIGSTOP: the process is there, and does nothing. The server must notice by itself."""
    await _replaced_after(at, signal.SIGSTOP)


async def _replaced_after(at: FaultStage, number: signal.Signals) -> None:
    worker = at.workers()[0]
    os.kill(worker, number)
    await at.replaced(worker)
    await at.answered()


async def worker_slow(at: FaultStage) -> None:
    """One worker is stopped most of the time, as beside a greedy neighbour."""
    pid = at.workers()[0]
    end_ms = now_ms() + 1000.0 * _SLOW_S
    try:
        while now_ms() < end_ms:
            os.kill(pid, signal.SIGSTOP)
            await asyncio.sleep(_STOP_S)
            os.kill(pid, signal.SIGCONT)
            await asyncio.sleep(_RUN_S)
    finally:
        os.kill(pid, signal.SIGCONT)
    await at.answered()


async def decoder_error(at: FaultStage) -> None:
    """One publisher sends undecodable pictures over a sound transport; others are answered."""
    [victim] = _first(at)
    others = [each for each in at.publishers if each is not victim]
    sound = victim._sender._packetiser
    assert sound is not None
    victim._sender._packetiser = _Spoilt(sound)  # type: ignore[assignment]  # the same, but for its pictures
    spoilt = len(victim.outcomes.frames) + 10
    await victim.wait_for(lambda me: len(me.outcomes.frames) >= spoilt)
    await at.answered(others, more=5)
    victim._sender._packetiser = sound
    await at.answered([victim])


class _Spoilt:
    """A packetiser whose frames are noise behind a whole VP8 header."""

    def __init__(self, sound: Packetiser) -> None:
        self._sound = sound

    def __getattr__(self, name: str) -> object:
        return getattr(self._sound, name)

    def frame(self, data: bytes, *arguments: object, **options: object) -> list[bytes]:
        noise = data[:10] + os.urandom(len(data) - 10)
        return self._sound.frame(noise, *arguments, **options)  # type: ignore[arg-type]


def _first(at: FaultStage) -> Sequence[LightPublisher]:
    return at.publishers[:1]


async def out_of_memory(at: FaultStage) -> None:
    """The device (simulated) holds one picture at once: every batch of more fails in it."""
    workers = at.workers()
    async with asyncio.timeout(60):
        while not any("event=out_of_memory" in line for line in at.log_lines):
            await _gathered(workers[0])
            await at.answered(more=1)
    await at.answered(more=5)
    assert at.workers() == workers, "a batch too large for the memory cost a worker"


async def _gathered(pid: int) -> None:
    """The worker stands still for two frames' time, so that there are some for a batch."""
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(2.0 / FPS)
    finally:
        os.kill(pid, signal.SIGCONT)


async def disk_full(at: FaultStage) -> None:
    """The log's file system is filled to its last byte, sessions come and go, then it is freed."""
    root = Path(f"/proc/{at.pid}/root")
    log, filler = (root / str(at.folder / name).lstrip("/") for name in ("edge.log", "filler"))
    _fill(filler)
    size = log.stat().st_size
    await _come_and_go(at)
    assert log.stat().st_size <= size + 4096, "the disk was not full"
    filler.unlink()
    await _come_and_go(at)
    async with asyncio.timeout(20):
        while log.stat().st_size <= size:  # noqa: ASYNC110
            await asyncio.sleep(0.02)  # its thread writes when it does
    await at.answered()


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 512)
        except OSError:
            return


async def _come_and_go(at: FaultStage) -> None:
    """Lines for the log: offers that are refused after a session was made for them."""
    async with aiohttp.ClientSession() as http:
        headers = {"Content-Type": "application/sdp"}
        for _ in range(20):
            async with http.post(f"{at.url}whip", data="v=0", headers=headers) as response:
                assert response.status == 400


async def clock_stepped(at: FaultStage) -> None:
    """The server's wall clock jumps a day ahead, and then two back."""
    for days in (1, -1):
        _set_clock(at.folder, days * 86_400.0)
        async with aiohttp.ClientSession() as http, http.get(f"{at.url}healthz") as response:
            date = parsedate_to_datetime(response.headers["Date"])
        ahead = date - datetime.now(UTC)
        assert abs(ahead - timedelta(days=days)) < timedelta(minutes=5), "the clock did not step"
        await at.answered(more=10)


# -- the stages -----------------------------------------------------------------------------------


@asynccontextmanager
async def two_devices(folder: Path) -> AsyncIterator[FaultStage]:
    async with stage(folder, [simulated(), simulated()]) as at:
        yield at


@asynccontextmanager
async def one_device(folder: Path) -> AsyncIterator[FaultStage]:
    async with stage(folder, [simulated()]) as at:
        yield at


@asynccontextmanager
async def short_of_memory(folder: Path) -> AsyncIterator[FaultStage]:
    """One device, so that frames which wait for each other would share a batch."""
    async with stage(folder, [simulated()], environment={"EDGE_SIM_MEMORY": "1"}) as at:
        yield at


@asynccontextmanager
async def small_disk(folder: Path) -> AsyncIterator[FaultStage]:
    """Its log lies on a file system of 64 KiB, in a mount namespace that ends with the server."""
    script = f'mount -t tmpfs -o size=64k none {folder} && exec "$@"'
    before = ["unshare", "--mount", "sh", "-c", script, "sh"]
    log = ("--verbose", "--log-file", str(folder / "edge.log"))
    async with stage(folder, [simulated()], *log, before=before) as at:
        yield at


@asynccontextmanager
async def own_clock(folder: Path) -> AsyncIterator[FaultStage]:
    """Its wall clock can be set, its monotonic one is the kernel's."""
    shim = folder / "wallclock.so"
    source = Path(__file__).with_name("wallclock.c")
    command = ["cc", "-O1", "-shared", "-fPIC", "-o", str(shim), str(source), "-ldl"]
    await asyncio.to_thread(subprocess.run, command, check=True)
    _set_clock(folder, 0.0)
    environment = {"LD_PRELOAD": str(shim), "WALLCLOCK_FILE": str(folder / "clock")}
    async with stage(folder, [simulated()], environment=environment) as at:
        yield at


def _set_clock(folder: Path, ahead_s: float) -> None:
    """In place: the server has it mapped."""
    path = folder / "clock"
    path.touch()
    with path.open("r+b") as file:
        file.write(struct.pack("d", ahead_s))


@asynccontextmanager
async def processor(folder: Path) -> AsyncIterator[FaultStage]:
    """A real network on the processor, for one publisher."""
    options = ("--slo-ms", str(SLO_MS))
    async with stage(folder, ["cpu"], *options, clients=1) as at:
        yield at


OpenStage = Callable[[Path], "contextlib.AbstractAsyncContextManager[FaultStage]"]

MATRIX: dict[str, tuple[OpenStage, list[Fault]]] = {
    "two simulated devices": (
        two_devices,
        [
            Fault("worker killed", worker_killed, 5.0),
            Fault("worker hung (SIGSTOP)", worker_hung, 10.0),
            Fault("worker slow (a fifth of its speed, 3 s)", worker_slow, 6.0),
            Fault("decoder error (one session's pictures spoilt, 1 s)", decoder_error, 5.0, _first),
        ],
    ),
    "a simulated device short of memory": (
        short_of_memory,
        [Fault("out of memory in each batch of two or more", out_of_memory)],
    ),
    "a log on a small disk": (small_disk, [Fault("disk full for logs", disk_full, 5.0)]),
    "a clock of its own": (
        own_clock,
        [Fault("wall clock stepped (+1 day, -2 days)", clock_stepped)],
    ),
    "a real network on the processor": (processor, [Fault("worker killed", worker_killed, 10.0)]),
    "two ingest processes": (
        hang.two_ingest_processes,
        [
            Fault("ingest process stopped (SIGSTOP)", hang.ingest_stopped, 15.0, hang.lost),
            Fault("ingest process stuck in a loop", hang.ingest_stuck, 15.0, hang.lost),
        ],
    ),
    "a simulated device": (
        one_device,
        [Fault("no descriptor left, until five frames later", shortage.descriptors_gone, 10.0)],
    ),
    "a network with few ports": (
        shortage.few_ports,
        [Fault("no UDP port left, until five frames later", shortage.ports_gone, 10.0)],
    ),
}


def skip_reason(name: str) -> str | None:
    """Why a stage cannot be set up here; None if it can."""
    if name == "a log on a small disk" and (os.geteuid() != 0 or not shutil.which("unshare")):
        return "mounting a small disk takes root, and `unshare`"
    if name == "a clock of its own" and not shutil.which("cc"):
        return "a clock that can be set takes a C compiler: install `gcc`"
    if name == "a network with few ports" and (missing := namespace.missing()) is not None:
        return f"a network of its own {missing}"
    return None


async def run(name: str) -> list[FaultResult]:
    """The faults of one stage, in order."""
    open_stage, faults = MATRIX[name]
    with tempfile.TemporaryDirectory(prefix="edge-faults-") as folder:
        async with open_stage(Path(folder)) as at:
            return [await observe(fault, at) for fault in faults]
