"""A newcomer's offer to a node, and to another one if that refuses, fails or takes long."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.fleet.beat import Beat
from edge.fleet.director.node_client import Failure, NodeClient, Reply
from edge.fleet.director.session_places import SessionPlaces
from edge.fleet.fleet_view import FleetView
from edge.fleet.known_node import KnownNode
from edge.fleet.placement import choose

log = get_logger("edge.fleet.offers")

HEDGE_S = 0.4  # without a response for so long, another node gets the offer, too
HEDGE_REPLACING_S = 1.5  # where that node alone can hand over from the session that is replaced
OFFER_S = 12.0  # for one node's response
DELETE_S = 5.0
MAX_ATTEMPTS = 4  # nodes that one offer is sent to
MAX_ABANDONED = 256  # offers whose second answer is waited for, to end its session; then it ends
# by itself, as no DTLS comes


@dataclass(frozen=True, slots=True)
class Offer:
    """A publisher's request."""

    body: bytes
    query: Mapping[str, str]
    headers: Callable[[Beat], Mapping[str, str]]
    """For a node, whose key is in them."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A node's response to an offer: its session, or the refusal that the publisher gets."""

    node: str
    reply: Reply

    @property
    def session(self) -> str | None:
        """The id of the session that was made."""
        if self.reply.status != HTTPStatus.CREATED:
            return None
        found = [value for name, value in self.reply.headers if name.lower() == "location"]
        path = urlsplit(found[0] if found else "").path
        return path.rstrip("/").rpartition("/")[2]


class Offers:
    """Places offers on the nodes of a view."""

    def __init__(
        self,
        view: FleetView,
        client: NodeClient,
        places: SessionPlaces,
        chance: random.Random | None = None,
    ) -> None:
        self._view = view
        self._client = client
        self._places = places
        self._chance = chance or random.Random()
        self._abandoned: set[asyncio.Task[None]] = set()

    async def place(self, offer: Offer) -> Placed | None:
        """The response for the publisher; None if no node takes sessions, or none answers."""
        return await _Placement(self, offer).run()

    async def stop(self) -> None:
        for task in self._abandoned:
            task.cancel()
        if self._abandoned:
            await asyncio.wait(self._abandoned)

    def first(self, offer: Offer) -> KnownNode | None:
        """The node of the session that this one replaces, if it takes sessions."""
        replaced = offer.query.get("replaces")
        name = None if replaced is None else self._places.node_of(replaced)
        node = None if name is None else self._view.get(name)
        return node if node is not None and node.takes_sessions(now_ms()) else None

    def other(self, tried: set[str], *, refused: bool) -> KnownNode | None:
        return choose(self._view, now_ms(), self._chance, tried, refused=refused)

    def send(self, node: KnownNode, offer: Offer, query: Mapping[str, str]) -> asyncio.Task[Reply]:
        """The node's response, to come. The offer counts as given to the node at once, so that the
        next one, of the same moment, is not placed there for want of knowing."""
        node.begin_offer()
        sent = asyncio.create_task(self._send(node, offer, query))
        sent.add_done_callback(partial(_count_outcome, node))
        return sent

    async def _send(self, node: KnownNode, offer: Offer, query: Mapping[str, str]) -> Reply:
        try:
            return await self._client.send(
                node.beat,
                "POST",
                "/whip",
                headers=offer.headers(node.beat),
                query=query,
                body=offer.body,
                timeout_s=OFFER_S,
            )
        except Failure as error:
            log.warning("offer_failed", node=node.name, reason=str(error) or type(error).__name__)
            if not isinstance(error, TimeoutError):  # else it may be busy; its beats will tell
                node.suspect(now_ms())
            raise

    def abandon(self, sent: asyncio.Task[Reply], node: KnownNode, offer: Offer) -> None:
        """Another node was first: end the session that this one may still make."""
        if len(self._abandoned) >= MAX_ABANDONED:
            sent.cancel()
            return
        task = asyncio.create_task(self._end_session(sent, node.beat, offer))
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)

    async def _end_session(self, sent: asyncio.Task[Reply], node: Beat, offer: Offer) -> None:
        try:
            session = Placed(node.node, await sent).session
            if session is not None:
                headers = offer.headers(node)
                await self._client.send(
                    node, "DELETE", f"/whip/{session}", headers=headers, timeout_s=DELETE_S
                )
        except Failure:
            pass  # it ends by itself
        except asyncio.CancelledError:
            sent.cancel()
            raise


def _count_outcome(node: KnownNode, sent: asyncio.Task[Reply]) -> None:
    failed = sent.cancelled() or sent.exception() is not None
    status = None if failed else sent.result().status
    node.end_offer(
        accepted=status == HTTPStatus.CREATED, full=status == HTTPStatus.SERVICE_UNAVAILABLE
    )


class _Placement:
    """One offer's way to a node."""

    def __init__(self, offers: Offers, offer: Offer) -> None:
        self._offers = offers
        self._offer = offer
        self._query = {key: value for key, value in offer.query.items() if key != "replaces"}
        self._tried: set[str] = set()
        self._under_way: dict[asyncio.Task[Reply], KnownNode] = {}
        self._refusal: Placed | None = None
        self._names_session = False  # of the node that is asked

    async def run(self) -> Placed | None:
        try:
            return await self._until_placed()
        finally:
            for task, node in self._under_way.items():
                self._offers.abandon(task, node, self._offer)

    async def _until_placed(self) -> Placed | None:
        self._begin()
        may_hedge = True
        while self._under_way:
            done, _ = await asyncio.wait(
                self._under_way,
                timeout=self._hedge_s() if may_hedge else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if not done:
                may_hedge = False
                self._send_to_another()
            for task in done:
                node = self._under_way.pop(task)
                placed = self._outcome(task, node)
                if placed is not None:
                    return placed
                if not self._under_way:
                    self._send_to_another()
        return self._refusal

    def _hedge_s(self) -> float:
        return HEDGE_REPLACING_S if self._names_session else HEDGE_S

    def _begin(self) -> None:
        """Where it replaces a session, only that one's node can take it over: others get it as a
        newcomer's."""
        former = self._offers.first(self._offer)
        if former is None:
            self._send_to_another()
        else:
            self._names_session = True
            self._send(former, self._offer.query)

    def _outcome(self, task: asyncio.Task[Reply], node: KnownNode) -> Placed | None:
        """What the publisher gets; None if another node is to be asked."""
        try:
            placed = Placed(node.name, task.result())
        except Failure:
            return None
        if placed.reply.status == HTTPStatus.SERVICE_UNAVAILABLE:
            self._refusal = placed
            return None
        if self._names_session and placed.reply.code == "bad_query":
            # It may not know the session any more, as after a restart.
            self._names_session = False
            self._send(node, self._query)
            return None
        return placed

    def _send_to_another(self) -> None:
        if len(self._tried) < MAX_ATTEMPTS:
            node = self._offers.other(self._tried, refused=self._refusal is not None)
            if node is not None:
                self._send(node, self._query)

    def _send(self, node: KnownNode, query: Mapping[str, str]) -> None:
        self._tried.add(node.name)
        self._under_way[self._offers.send(node, self._offer, query)] = node
