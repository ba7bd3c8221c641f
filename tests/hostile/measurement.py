"""What an attack costs two honest publishers, the health check, memory and the log."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.base.clock import now_ms
from edge.client.clocks import EPOCH_MS
from edge.client.frame_outcomes import IN_TIME
from edge.client.whip_client import PublishError
from netem.footage.encoded_clip import EncodedClip
from netem.publisher.publisher import LightPublisher, publishing
from tests.hostile.attack import ATTACK_S, NOTICE_S, Attack
from tests.hostile.server_process import (
    PROBE_TIMEOUT_S,
    ServerProcess,
    health_probe,
    killed_with_parent,
    server_process,
)

FPS, SLO_MS = 15, 300.0
PUBLISHERS = 2
BEFORE_S, DURING_S = 5.0, 6.0  # observed at least
MAX_MORE_MISSES = 1.0  # points
WARM_UP_S, STEADY_S = 30.0, 6.0  # of a new server, at most; without growth of its memory
MAX_HEALTH_MS, MAX_END_S, MAX_LOG_LINES = 200.0, 1.0, 100
MAX_MORE_MEMORY = 5.0  # percent, once it has settled
_READY_S = 30.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Row:
    """The cost of one attack. Misses and memory are percents; `ended_s` is None where the offender
    was not ended; `newcomer` is empty where none came."""

    name: str
    text: str
    misses_before: float
    misses_during: float
    others_lost: int
    health_ms: float
    must_end: bool
    ended_s: float | None
    outcome: str
    more_memory: float
    log_lines: int
    newcomer: str
    stuck: bool

    @property
    def broken(self) -> list[str]:
        """The bounds that were exceeded."""
        late = self.ended_s is None or self.ended_s > MAX_END_S
        bounds = {
            "misses": self.misses_during - self.misses_before > MAX_MORE_MISSES,
            "others ended": self.others_lost > 0,
            "/healthz": self.health_ms > MAX_HEALTH_MS,
            "not ended in time": self.must_end and late,
            "log": self.log_lines > MAX_LOG_LINES,
            "memory": self.more_memory > MAX_MORE_MEMORY,
            "newcomer": self.newcomer not in ("", "served"),
            "server stuck": self.stuck,
        }
        return [name for name, exceeded in bounds.items() if exceeded]


class Scene:
    """A server and its honest publishers, renewed when an attack has ended either."""

    def __init__(
        self,
        checkout: Path,
        descriptors: int | None,
        memory_s: float,
        settings: Mapping[str, str] | None,
    ) -> None:
        self.clip = EncodedClip(fps=FPS, long_sides=(128, 192), bits=(0.1, 0.6), seconds=2.0)
        self.server: ServerProcess
        self.publishers: list[LightPublisher] = []
        self._checkout, self._descriptors, self._memory_s = checkout, descriptors, memory_s
        self._settings = settings
        self._server_stack, self._publisher_stack = AsyncExitStack(), AsyncExitStack()
        self._running = False

    async def close(self) -> None:
        await self._publisher_stack.aclose()
        await self._server_stack.aclose()
        self._running = False

    async def renew(self) -> None:
        """A server that answers, and publishers that are answered."""
        is_new = False
        if self._running and not await self.server.answers():
            await self.close()
        if not self._running:
            started = server_process(self._checkout, self._descriptors, self._settings)
            self.server = await self._server_stack.enter_async_context(started)
            self._running = is_new = True
            self.publishers = []
        if not self.publishers or any(each.reason is not None for each in self.publishers):
            await self._publisher_stack.aclose()
            self.publishers = []
            for number in range(PUBLISHERS):
                publisher = publishing(
                    self.server.url, self.clip, slo_ms=SLO_MS, label=f"honest {number}"
                )
                self.publishers.append(await self._publisher_stack.enter_async_context(publisher))
        await asyncio.gather(*(each.wait_for(_answered, 30.0) for each in self.publishers))
        if is_new:
            await self._warmed_up()

    async def _warmed_up(self) -> None:
        """A server starts some of its processes once it has sessions: its memory is compared with
        what it is after that."""
        most_bytes, since_ms = 0, now_ms()
        until_ms = since_ms + 1000.0 * WARM_UP_S
        while now_ms() < min(until_ms, since_ms + 1000.0 * STEADY_S):
            await asyncio.sleep(0.5)
            if (found := self.server.resident_bytes()) > most_bytes * 1.01:
                most_bytes, since_ms = found, now_ms()

    async def row(self, attack: Attack) -> Row:
        """Quiet load, the attack, and the time until memory has settled."""
        await self.renew()
        server, publishers = self.server, list(self.publishers)
        async with attacker(attack, server.url) as attacking:
            before_bytes, before_lines = server.resident_bytes(), server.log_lines()
            begin_ms = now_ms()
            await asyncio.sleep(BEFORE_S)
            with health_probe(server.url) as answers:
                await asyncio.sleep(0.2)
                attack_ms = now_ms()
                attacking.begin()
                came = asyncio.create_task(self._newcomer()) if attack.newcomer else None
                result = await attacking.result()
                rest_s = DURING_S - (now_ms() - attack_ms) / 1000.0
                await asyncio.sleep(max(0.0, rest_s))
                newcomer = await came if came is not None else ""
                end_ms = now_ms()
                asked = len(answers)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_TIMEOUT_S):  # the last question's answer
                        while len(answers) <= asked:  # noqa: ASYNC110
                            await asyncio.sleep(0.02)
        answered = await server.answers()
        await _settled(publishers, end_ms)
        log_lines = server.log_lines() - before_lines
        memory = await self._more_memory(before_bytes) if answered else 0.0
        return Row(
            name=attack.name,
            text=attack.text,
            misses_before=misses(publishers, begin_ms, attack_ms),
            misses_during=misses(publishers, attack_ms, end_ms),
            others_lost=sum(each.reason is not None for each in publishers),
            health_ms=max((ms for at_ms, ms in answers if at_ms >= attack_ms - 50.0), default=0.0)
            if answered
            else 1000.0 * PROBE_TIMEOUT_S,
            must_end=attack.must_end,
            ended_s=result["ended_s"],
            outcome=str(result["outcome"]),
            more_memory=memory,
            log_lines=log_lines,
            newcomer=newcomer,
            stuck=not answered,
        )

    async def _newcomer(self) -> str:
        """Whether an honest publisher that comes a second later is served, in words."""
        await asyncio.sleep(1.0)
        try:
            async with (
                asyncio.timeout(ATTACK_S),
                publishing(self.server.url, self.clip, slo_ms=SLO_MS, label="newcomer") as one,
            ):
                await one.wait_for(_answered, ATTACK_S)
        except (PublishError, TimeoutError) as error:
            return str(error).rpartition("/: ")[2] or "not served in time"
        return "served"

    async def _more_memory(self, before_bytes: int) -> float:
        """Growth in percent; waits until it is within the bound."""
        until_ms = now_ms() + 1000.0 * self._memory_s
        while True:
            more = 100.0 * (self.server.resident_bytes() / before_bytes - 1.0)
            if more <= MAX_MORE_MEMORY or now_ms() > until_ms:
                return more
            await asyncio.sleep(0.5)


def _answered(publisher: LightPublisher) -> bool:
    return sum(frame.outcome == IN_TIME for frame in publisher.outcomes.frames[-3 * FPS :]) >= 10


def misses(publishers: Sequence[LightPublisher], begin_ms: float, end_ms: float) -> float:
    """Percent of the frames due in that time that were not answered in time. Those that a
    publisher could not capture any more, since the server had ended it, count."""
    missed = total = 0
    for each in publishers:
        frames = [
            frame
            for frame in each.outcomes.frames
            if begin_ms <= frame.captured_ms - EPOCH_MS < end_ms
        ]
        sent = [frame for frame in frames if frame.outcome not in (None, "paced", "encoder")]
        in_time = sum(frame.outcome == IN_TIME for frame in sent)
        due = len(sent)
        if each.reason is not None:
            due += max(0, int(FPS * (end_ms - begin_ms) / 1000.0) - len(frames))
        missed, total = missed + due - in_time, total + due
    return 100.0 * missed / total if total else 0.0


async def _settled(publishers: Sequence[LightPublisher], end_ms: float) -> None:
    """Until every frame captured until then has its outcome."""

    def done(publisher: LightPublisher) -> bool:
        return all(
            frame.outcome is not None or frame.captured_ms - EPOCH_MS > end_ms
            for frame in publisher.outcomes.frames
        )

    for each in publishers:
        with contextlib.suppress(PublishError, TimeoutError):
            await each.wait_for(done, 10.0)


class Attacker:
    """The attack's process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ready(self) -> None:
        """Until it has connected; where it cannot, `result` says so."""
        with contextlib.suppress(TimeoutError, ValueError):
            async with asyncio.timeout(_READY_S):
                await self._line()

    def begin(self) -> None:
        assert self._process.stdin is not None
        if self._process.returncode is None:
            self._process.stdin.write(b"\n")

    async def result(self) -> dict[str, Any]:
        """Its last line; one that says so where there is none in time."""
        try:
            async with asyncio.timeout(ATTACK_S + NOTICE_S + 5.0):
                return await self._line()
        except (TimeoutError, ValueError):
            return {"ended_s": None, "outcome": "the attacker failed"}

    async def _line(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        return dict(json.loads(await self._process.stdout.readline()))


@asynccontextmanager
async def attacker(attack: Attack, url: str) -> AsyncIterator[Attacker]:
    """A process that is ready to attack; gone afterwards."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.hostile.attack_process", attack.name, url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=_ROOT,
        preexec_fn=killed_with_parent(),
    )
    try:
        attacking = Attacker(process)
        await attacking.ready()
        yield attacking
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@asynccontextmanager
async def scene(
    checkout: Path = _ROOT,
    descriptors: int | None = None,
    memory_s: float = 60.0,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Scene]:
    """A scene that cleans up; its server and publishers start with the first row."""
    made = Scene(checkout, descriptors, memory_s, settings)
    await asyncio.to_thread(made.clip.prepare)
    try:
        yield made
    finally:
        await made.close()
