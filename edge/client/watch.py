"""Detections of a server's sessions for a program: `async for message in watch(url, token=...)`.

Server-sent events (WHATWG HTML, section 9.2) from `GET /api/results`, which the server's read token
or admin token opens. A lost connection is made again and continues after the last message.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from typing import Any
from urllib.parse import quote, urljoin

import aiohttp

from edge.base.backoff import RetryWait
from edge.client.whip_client import refusal, retry_after_s

SILENCE_S = 25.0  # the server sends a comment each 10 s: longer, and the connection is made again
MAX_EVENT_BYTES = 1 << 20
_CONNECT_S = 15.0
_TEMPORARY = frozenset({408, 425, 429})


class WatchError(Exception):
    """The server refuses the reader for good; the message gives the reason."""


async def watch(
    url: str,
    *,
    token: str | None = None,
    session: str | None = None,
    label: str | None = None,
    classes: Sequence[str] = (),
    types: Sequence[str] = (),
    tls: ssl.SSLContext | bool = True,
    on_retry: Callable[[str, float], None] = lambda reason, wait_s: None,
    chance: random.Random | None = None,
) -> AsyncGenerator[dict[str, Any], None]:
    """The messages of all sessions, or of one by its name, as they come.

    `label`, `classes` (names) and `types` (of messages) choose among them. `tls` has the
    authorities to trust; False accepts any certificate. `on_retry(reason, wait_s)` is called before
    each further attempt. Raises WatchError where another attempt would be refused again.
    """
    path = "api/results" if session is None else f"api/sessions/{quote(session, safe='')}/results"
    query = {"label": label or "", "classes": ",".join(classes), "types": ",".join(types)}
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    wait = RetryWait(chance)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=SILENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=MAX_EVENT_BYTES) as http:
        while True:
            at_least_s = None
            try:
                async with http.get(
                    urljoin(url.rstrip("/") + "/", path),
                    params={name: text for name, text in query.items() if text},
                    headers=headers,
                    ssl=tls,
                ) as response:
                    if response.status != 200:
                        reason = f"{url}: {response.status}: {refusal(await response.text())}"
                        if response.status < 500 and response.status not in _TEMPORARY:
                            raise WatchError(reason)
                        at_least_s = retry_after_s(response.headers.get("Retry-After", ""))
                    else:
                        async for event_id, text in _events(response.content):
                            wait.worked()
                            if event_id:
                                headers["Last-Event-ID"] = event_id
                            yield json.loads(text)
                        reason = f"{url}: the server ended the stream"
            except (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL) as error:
                raise WatchError(f"{url}: {error or type(error).__name__}") from error
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                reason = f"{url}: {error or type(error).__name__}"
            wait_s = wait.next_s(at_least_s)
            on_retry(reason, wait_s)
            await asyncio.sleep(wait_s)


async def _events(lines: aiohttp.StreamReader) -> AsyncIterator[tuple[str, str]]:
    """(Identifier, data) of the events in a stream; an event that is cut short is none."""
    parser = EventParser()
    async for line in lines:
        for event in parser.feed(line):
            yield event


class EventParser:
    """Lines of an event stream in, events out. Pure."""

    def __init__(self) -> None:
        self._id, self._data = "", list[str]()

    def feed(self, line: bytes) -> Iterator[tuple[str, str]]:
        """The event that this line ends, if it ends one."""
        text = line.decode("utf-8", "replace").rstrip("\r\n")
        if not text:
            if self._data:
                yield self._id, "\n".join(self._data)
            self._data = []
            return
        name, _, value = text.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
