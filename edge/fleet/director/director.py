"""A director: it hears the nodes' beats, places sessions on nodes, and forwards their HTTP.

It keeps nothing: a session's URL names its node, and the view of all nodes is made of beats. With
the engine away it asks the nodes that it knows directly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from edge.api.access.auth import AccessControl
from edge.api.access.login import LoginPages
from edge.api.access.root_path import find_root_path
from edge.api.access.tokens import TokensError
from edge.api.errors import json_errors
from edge.api.http_server import HttpServer, ListenError
from edge.api.pages import Pages, page_settings, security_headers
from edge.api.request_rate import limit_requests
from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.config import Settings
from edge.config.fleet import CredentialsError
from edge.fleet.beat import Beat, BeatError
from edge.fleet.director.api import DirectorApi
from edge.fleet.director.node_client import Look, NodeClient, read_look
from edge.fleet.director.offers import Offers
from edge.fleet.director.operator import OperatorApi
from edge.fleet.director.reports import Reports
from edge.fleet.director.session_places import SessionPlaces
from edge.fleet.engine import Engine, EngineError
from edge.fleet.engine_process import EngineProcess, EngineStartError
from edge.fleet.fleet_view import TICK_MS, FleetView
from edge.fleet.known_node import KnownNode, ProbeFailure
from edge.fleet.subjects import BEATS, LOOK, subject
from edge.models.registry.registry import ModelRegistry
from edge.startup import StartError

log = get_logger("edge.fleet.director")

UNANSWERED_S = 0.05  # of a request, after which its node is asked directly, too
LOOK_S = 2.0  # for a node's reply by the engine
ODD_LOG_MS = 10_000.0  # between two lines of messages that are no beats


class Director:
    """`start`, and it directs until `stop`. `settings.fleet` names the engine."""

    def __init__(self, settings: Settings, engine_process: EngineProcess | None = None) -> None:
        """`engine_process`: an engine of its own. StartError for settings that cannot be used."""
        assert settings.fleet is not None
        self.settings = settings
        self.view = FleetView()
        self.engine_process = engine_process
        try:
            self._access = AccessControl(settings)
            self._http = HttpServer(settings)
            certificate = None if engine_process is None else engine_process.listener.cert
            self._engine = Engine(settings.fleet, "edge director", certificate)
        except TokensError as error:
            raise StartError(f"tokens_file: {error}") from error
        except CredentialsError as error:
            raise StartError(f"fleet.creds: {error}") from error
        except (ListenError, EngineError) as error:
            raise StartError(str(error)) from error
        self._client = NodeClient(self._access)
        places = SessionPlaces()
        self._offers = Offers(self.view, self._client, places)
        self._reports = Reports(self.view, self._client)
        self._api = DirectorApi(
            settings,
            view=self.view,
            access=self._access,
            client=self._client,
            offers=self._offers,
            places=places,
            probe=self._probe,
            until_gone=self._until_gone,
            heard_ms=lambda: self._engine.connected_ms,
        )
        # Until a node tells what it serves.
        self._page: Mapping[str, object] = page_settings(settings, ModelRegistry.of(settings))
        self._odd_logged_ms = float("-inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._probed = asyncio.Event()  # at the end of the next probe; then there is another event
        self._probes: dict[str, asyncio.Task[None]] = {}  # by node's name

    @property
    def url(self) -> str:
        """Its address, with a slash at the end; empty until it has started."""
        return self._http.url

    @property
    def lan_urls(self) -> list[str]:
        """The addresses at which other machines of the network reach it."""
        return self._http.lan_urls

    async def start(self) -> None:
        """Listen, and hear the nodes; StartError if that is not possible."""
        self._client.start()
        try:
            await self._listen()
            if self.engine_process is not None:
                await self.engine_process.start()
        except (ListenError, EngineStartError) as error:
            raise StartError(str(error)) from error
        self._engine.subscribe(BEATS, self._hear)
        self._engine.start()
        self._spawn(self._tick())

    leave_s = 0.0

    async def leave(self) -> None:
        """Nobody depends on it: sessions are its nodes'."""

    async def stop(self) -> None:
        await self._http.stop()
        await self._offers.stop()
        await self._reports.stop()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._engine.stop()
        await self._client.stop()
        if self.engine_process is not None:
            await self.engine_process.stop()

    async def _listen(self) -> None:
        settings, access = self.settings, self._access
        rate = limit_requests(settings.max_requests_per_s, access.client_key, self._http.limits)
        root_path = find_root_path(settings.root_path, access)
        headers = security_headers(settings.frame_ancestors)
        pages = Pages(lambda: self._page, self._http.ca, lambda: self.lan_urls, access.is_local)
        operator = OperatorApi(settings, self.view, self._engine, self._reports)
        await self._http.start(
            [rate, root_path, headers, json_errors, access.guard],
            [
                *self._api.routes(),
                *operator.routes(),
                *LoginPages(access).routes(),
                *pages.routes(),
            ],
        )

    async def _hear(self, data: bytes) -> None:
        now = now_ms()
        try:
            beat = Beat.of(data)
        except BeatError as error:
            if now - self._odd_logged_ms >= ODD_LOG_MS:
                self._odd_logged_ms = now
                log.warning("not_a_beat", reason=str(error))
            return
        former = self.view.get(beat.node)
        was = None if former is None else former.liveness(now)
        settings = "" if former is None else former.beat.settings
        news = self.view.hear(beat, now)
        if news == "doubled":
            holder = "" if former is None else former.beat.url
            log.error("node_name_doubled", node=beat.node, url=holder, refused=beat.url)
        elif news is not None:
            log.info(f"node_{news}", node=beat.node, url=beat.url, version=beat.version)
        elif was == "gone":
            log.info("node_back", node=beat.node)
        if news in ("new", "restarted") or (news is None and settings != beat.settings):
            self._spawn(self._look(beat.node))

    async def _look(self, name: str) -> None:
        """Ask a node that is new, or serves otherwise than before, what the page is to show."""
        data = await self._engine.request(subject(LOOK, name), b"", LOOK_S)
        try:
            if data is not None:
                self._show(read_look(data))
        except ValueError as error:
            log.warning("not_a_look", node=name, reason=str(error))

    def _show(self, look: Look) -> None:
        self._page = {key: look.page.get(key, value) for key, value in self._page.items()}

    async def _tick(self) -> None:
        due_ms = now_ms()
        while True:
            now = now_ms()
            try:
                for node in self.view.tick(now):
                    self._begin_probe(node)
            except Exception:
                log.exception("tick_failed")
            due_ms = max(due_ms + TICK_MS, now_ms())
            await asyncio.sleep((due_ms - now_ms()) / 1000.0)

    async def _probe(self, node: KnownNode, error: BaseException) -> None:
        """After a request to a node has failed: ask it directly, or wait for the answer if it is
        being asked. One that was late, and beats, is only busy."""
        if not isinstance(error, TimeoutError):
            node.suspect(now_ms())
        if node.wants_probe(now_ms()):
            node.begin_probe()
            self._begin_probe(node)
        if (probe := self._probes.get(node.name)) is not None:
            await asyncio.wait([probe])

    async def _until_gone(self, node: KnownNode) -> None:
        """While a request to a node goes unanswered: ask it directly, so that its publisher need
        not wait for its silence first. Returns once it is gone, if it ever is."""
        await asyncio.sleep(UNANSWERED_S)
        if not node.is_probing:
            node.begin_probe()
            self._begin_probe(node)
        while node.liveness(now_ms()) != "gone":
            await self._probed.wait()

    def _begin_probe(self, node: KnownNode) -> None:
        probe = self._spawn(self._end_probe(node))
        self._probes[node.name] = probe
        probe.add_done_callback(lambda _: self._probes.pop(node.name, None))

    async def _end_probe(self, node: KnownNode) -> None:
        was = node.liveness(now_ms())
        found: Look | ProbeFailure = "unsure"
        try:
            found = await self._client.probe(node.beat)
        finally:
            now = now_ms()
            if isinstance(found, Look):
                node.end_probe(found.beat, now)
            else:
                node.end_probe(None, now, found)
            if (liveness := node.liveness(now)) != was:
                report = log.warning if liveness == "gone" else log.info
                silent_s = round(node.silent_ms(now) / 1000.0, 1)
                report("node_asked", node=node.name, liveness=liveness, silent_s=silent_s)
            probed, self._probed = self._probed, asyncio.Event()
            probed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)  # the loop itself holds only weak references to tasks
        task.add_done_callback(self._tasks.discard)
        return task
