"""One run: links, server and clients are started, measured, and their results written."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.base.clock import now_ms
from edge.models.weights import class_names
from edge.profile.accuracy_file import load_accuracy_profile, save_accuracy_profile
from netem.assumed_accuracy import assume
from netem.experiment.clients import (
    ChromiumClient,
    ClientError,
    ClientRequest,
    ExperimentClient,
    LightClient,
)
from netem.experiment.machine_load import MachineLoad, ProcessorUsage
from netem.experiment.policies import PolicySettings, policy_settings
from netem.experiment.processors import divide, running_on
from netem.experiment.server_main import RunSetup
from netem.experiment.server_process import ServerProcess
from netem.experiment.specification import ClientSpec, Experiment, ExperimentCell
from netem.footage.camera_file import Footage, camera
from netem.footage.references import Truth, truth_of
from netem.links.emulated_link import EmulatedLink
from netem.links.link_log import LinkSample
from netem.links.namespace import processes_in
from netem.results import run_folder
from netem.results.answer_accuracy import judge
from netem.results.client_record import ClientRecord
from netem.results.rows import FrameRow, HintRow, LinkRow, PlanRow, RunRow, SessionRow
from netem.results.summary import counts
from netem.scratch_folder import users
from traces import Trace, constant

LIVE_S = 90.0  # for all clients to have had an answer
_STARTING = 2  # clients started at a time: starting a browser takes a core
_CHECK_S = 1.0  # between two checks that links and server still work
_OTHERS_SHARE = 0.05  # of the processors' time; more is noted in the manifest
_CONNECT_BPS = 1e6  # least link rate while clients connect


@dataclass(frozen=True, slots=True)
class PlannedClient:
    """A client before it is started: its video, its requests and its link's trace."""

    number: int
    footage: Footage
    fps: int
    slo_ms: float
    video: str
    trace: Trace


@dataclass(slots=True)
class RunOutcome:
    """The measurements of a run, with times on the monotonic clock."""

    records: list[ClientRecord]
    origin_ms: float
    busy: ProcessorUsage


class ExperimentRun:
    """A cell of an experiment, run into `folder`; `scratch` is for temporary files."""

    def __init__(
        self,
        experiment: Experiment,
        cell: ExperimentCell,
        folder: Path,
        scratch: Path,
        on_progress: Callable[[str], None],
    ) -> None:
        self._experiment = experiment
        self._cell = cell
        self._folder = folder
        self._scratch = scratch
        self._on_progress = on_progress
        self._accuracy = assume(
            load_accuracy_profile(experiment.accuracy, as_network=experiment.as_network),
            experiment.as_network,
            experiment.accuracy_factors,
        )
        self.planned = [self._planned_client(number) for number in range(cell.clients)]
        self._processors = divide(experiment.server_cpus, os.sched_getaffinity(0))
        self.origin_ms = 0.0
        self.notes: list[str] = []

    def make(self) -> RunRow:
        """Run it, and write everything except the manifest.

        Raises ClientError, ClientRecordError, FootageError, LinkError, ServerError, TraceError.
        """
        truths = {
            planned.footage: truth_of(planned.footage, self._on_progress)
            for planned in self.planned
        }
        cameras = [self._camera(planned) for planned in self.planned]
        cpus = self._processors
        with running_on(cpus.clients), self._links() as links:
            used = [link.used for link in links]
            clients = self._clients(links, cameras)
            outcome = asyncio.run(self._measure(links, clients))
        return self._write(outcome, used, truths)

    # Parts of the run

    def _planned_client(self, number: int) -> PlannedClient:
        experiment, cell = self._experiment, self._cell
        own = ClientSpec()
        if experiment.client:
            own = experiment.client[number % len(experiment.client)]
        video = cell.video
        if own.video is not None:
            [video] = [each for each in experiment.videos if each.name == own.video]
        width = (video.width or 0) if cell.kind == "chromium" else 0
        fps = own.fps or cell.fps
        return PlannedClient(
            number,
            Footage(video.video(number), fps, width),
            fps,
            own.slo_ms or cell.slo_ms,
            video.name,
            cell.trace.trace(number, experiment.seconds),
        )

    def _camera(self, planned: PlannedClient) -> Any:
        if self._cell.kind != "chromium":
            return None
        ticks = len(planned.footage.sources)
        # Cameras of the same clip begin at different places in it.
        return camera(planned.footage, planned.number * ticks // self._cell.clients, self._scratch)

    @contextlib.contextmanager
    def _links(self) -> Iterator[list[EmulatedLink]]:
        """Clients connect at a steady rate; traces begin with the measurement."""
        with contextlib.ExitStack() as stack:
            links = []
            for planned in self.planned:
                link = EmulatedLink(
                    planned.trace,
                    delay_ms=self._cell.delay_ms,
                    queue_ms=self._experiment.queue_ms,
                    kind=self._experiment.link,
                    seed=planned.number,
                    log=self._scratch / f"link-{planned.number}.csv",
                )
                stack.enter_context(link)
                link.follow(constant(max(planned.trace.mean_bps, _CONNECT_BPS)))
                links.append(link)
            yield links

    def _clients(
        self, links: Sequence[EmulatedLink], cameras: Sequence[Any]
    ) -> list[ExperimentClient]:
        made: list[ExperimentClient] = []
        for planned, link, film in zip(self.planned, links, cameras, strict=True):
            request = ClientRequest(
                planned.number, link, planned.footage, planned.slo_ms, self._scratch
            )
            made.append(LightClient(request) if film is None else ChromiumClient(request, film))
        return made

    def _setup(self) -> RunSetup:
        experiment, cell = self._experiment, self._cell
        chosen = policy_settings(experiment, cell, self.planned[0].footage.size, self._accuracy)
        settings: dict[str, Any] = {
            "host": "0.0.0.0",
            "port": 0,
            "http": True,
            "device": [_absolute_device(each) for each in experiment.device],
            "profile": [str(path.absolute()) for path in experiment.profile],
            "network": chosen.networks[0],
            "edges": list(chosen.long_sides),
            "max_batch": experiment.max_batch,
            "max_bps": experiment.max_bps,
            "admission": False,  # overload is part of the experiment
            "slo_ms": cell.slo_ms,
            "fps": max(planned.fps for planned in self.planned),
        }
        if len(chosen.networks) > 1:
            settings["models"] = [{"name": name, "family": "all"} for name in chosen.networks]
        if experiment.accuracy_factors:
            assumed = self._scratch / "accuracy.json"
            save_accuracy_profile(self._accuracy, assumed)
            settings["accuracy"] = str(assumed)
        elif experiment.as_network is None:
            settings["accuracy"] = str(experiment.accuracy.absolute())
        plans = str(self._scratch / run_folder.PLANS)
        if cell.policy == "aiortc":
            return RunSetup(settings, plans, _baseline(chosen))
        if chosen.sent_long_side is not None:
            settings.update(sent_edge=chosen.sent_long_side, sent_bps=chosen.sent_bps)
        return RunSetup(settings, plans)

    # Measurement

    async def _measure(
        self, links: Sequence[EmulatedLink], clients: Sequence[ExperimentClient]
    ) -> RunOutcome:
        server = ServerProcess(self._setup(), self._scratch, self._folder / run_folder.SERVER_LOG)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(server.stop)
            with running_on(self._processors.server):
                await server.spawn()
            await server.ready()
            for client in clients:
                stack.push_async_callback(client.close)
            await self._start(server, clients)
            await asyncio.sleep(self._experiment.settle_s)
            origin_ms = now_ms()
            for link, planned in zip(links, self.planned, strict=True):
                link.follow(planned.trace)
            own = {os.getpid(), *users(self._scratch)}
            for link in links:  # browsers overwrite their environments with their titles
                own.update(processes_in(link.namespace))
            before = MachineLoad.now(server.pid, own)
            await self._watch(server, links)
            busy = MachineLoad.now(server.pid, own).since(before)
            record = await asyncio.gather(*(client.stop() for client in clients))
            server.check()
        return RunOutcome(list(record), origin_ms, busy)

    async def _start(self, server: ServerProcess, clients: Sequence[ExperimentClient]) -> None:
        places = asyncio.Semaphore(_STARTING)

        async def one(client: ExperimentClient) -> None:
            async with places:
                await client.start(server.port)

        await asyncio.gather(*(one(client) for client in clients))
        for number, session in (await server.live(len(clients), LIVE_S)).items():
            clients[number].session = session

    async def _watch(self, server: ServerProcess, links: Sequence[EmulatedLink]) -> None:
        end_ms = now_ms() + 1000.0 * self._experiment.seconds
        while (left_ms := end_ms - now_ms()) > 0.0:
            await asyncio.sleep(min(left_ms / 1000.0, _CHECK_S))
            server.check()
            for link in links:
                link.check()

    # Results

    def _write(
        self, outcome: RunOutcome, used: Sequence[str], truths: dict[Footage, Truth]
    ) -> RunRow:
        experiment, cell, folder = self._experiment, self._cell, self._folder
        self.origin_ms = outcome.origin_ms
        if outcome.busy.others > _OTHERS_SHARE:
            self.notes.append(
                f"other programs used {outcome.busy.others:.0%} of the processors' time"
            )
        numbers = {name: index for index, name in enumerate(class_names())}
        rows: list[FrameRow] = []
        for planned, record in zip(self.planned, outcome.records, strict=True):
            _shift(record, outcome.origin_ms, experiment.seconds)
            judge(
                record,
                truths[planned.footage],
                numbers,
                detects=not experiment.simulated,
                accuracy=self._accuracy,
                fps=planned.fps,
            )
            rows += [row for row, _ in record.frames]
            self.notes += record.notes
        rows.sort(key=lambda row: (row.client, row.captured_ms))
        run_folder.write(folder / run_folder.FRAMES, FrameRow, rows)
        sessions = [
            self._session(planned, record, link, rows)
            for planned, record, link in zip(self.planned, outcome.records, used, strict=True)
        ]
        run_folder.write(folder / run_folder.SESSIONS, SessionRow, sessions)
        plans = run_folder.read(self._scratch / run_folder.PLANS, PlanRow)
        for plan in plans:
            plan.at_ms -= outcome.origin_ms
        run_folder.write(folder / run_folder.PLANS, PlanRow, plans)
        hints = [hint for record in outcome.records for hint in record.hints]
        hints.sort(key=lambda hint: (hint.client, hint.at_ms))
        run_folder.write(folder / run_folder.HINTS, HintRow, hints)
        run_folder.write(folder / run_folder.LINK, LinkRow, self._link_rows(outcome.origin_ms))
        slo_ms = [planned.slo_ms for planned in self.planned]
        links = [planned.trace for planned in self.planned]
        summary = RunRow(
            **counts(rows, slo_ms, links, experiment.seconds),
            run=cell.name,
            experiment=experiment.name,
            policy=cell.policy,
            kind=cell.kind,
            clients=cell.clients,
            fps=float(cell.fps),
            slo_ms=cell.slo_ms,
            trace=cell.trace.label,
            delay_ms=cell.delay_ms,
            video=cell.video.name,
            device=" ".join(experiment.device),
            simulated=experiment.simulated,
            repetition=cell.repetition,
            seconds=experiment.seconds,
            plans=len({plan.plan for plan in plans if plan.at_ms >= 0.0}),
            cpu_busy=round(outcome.busy.all, 3),
            server_cores=round(outcome.busy.process_cores, 3),
        )
        run_folder.write_json(folder / run_folder.SUMMARY, summary)
        return summary

    def _session(
        self, planned: PlannedClient, record: ClientRecord, link: str, rows: Sequence[FrameRow]
    ) -> SessionRow:
        width, height = planned.footage.size
        slo_ms = [each.slo_ms for each in self.planned]
        own = [row for row in rows if row.client == planned.number]
        return SessionRow(
            **counts(own, slo_ms, [planned.trace], self._experiment.seconds),
            client=planned.number,
            kind=self._cell.kind,
            session=record.session,
            video=planned.video,
            width=width,
            height=height,
            fps=float(planned.fps),
            slo_ms=planned.slo_ms,
            trace=planned.trace.name,
            delay_ms=self._cell.delay_ms,
            link=link,
        )

    def _link_rows(self, origin_ms: float) -> list[LinkRow]:
        rows = []
        for planned in self.planned:
            with (self._scratch / f"link-{planned.number}.csv").open(newline="") as file:
                lines = csv.reader(file)
                if tuple(next(lines, ())) != LinkSample._fields:
                    raise ClientError(f"the link of client {planned.number} has no record")
                for at_ms, rate_bps, *numbers in lines:
                    shifted_ms = float(at_ms) - origin_ms
                    rows.append(
                        LinkRow(shifted_ms, planned.number, float(rate_bps), *map(int, numbers))
                    )
        return rows


def _baseline(chosen: PolicySettings) -> tuple[int, int, int]:
    assert chosen.sent_long_side is not None
    assert chosen.sent_bps is not None
    return chosen.long_sides[-1], chosen.sent_long_side, chosen.sent_bps


def _absolute_device(device: str) -> str:
    """The device with its profile's path made absolute: the server runs in another folder."""
    kind, colon, profile = device.partition(":")
    return f"sim:{Path(profile).absolute()}" if kind + colon == "sim:" else device


def _shift(record: ClientRecord, origin_ms: float, seconds: float) -> None:
    """Make times relative to the run's beginning, and mark the measured frames."""
    names = [f.name for f in dataclasses.fields(FrameRow) if f.name.endswith("_ms")]
    for row, _ in record.frames:
        for name in names:
            value = getattr(row, name)
            if value is not None:
                setattr(row, name, value - origin_ms)
        row.measured = 0.0 <= row.captured_ms < 1000.0 * seconds
    for hint in record.hints:
        hint.at_ms -= origin_ms
