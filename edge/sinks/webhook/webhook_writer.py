"""Batches to a webhook: signed, verified by TLS, with a deadline, and never redirected."""

from __future__ import annotations

import json
import time

import aiohttp

import edge
from edge.sinks.event_queue import Batch
from edge.sinks.settings import WebhookSettings
from edge.sinks.signature import signature, signing_key
from edge.sinks.tls import tls_context
from edge.sinks.writer import DeliveryError

# What the receiver finds wrong with the batch itself; all else may be mended, there or here.
REFUSALS = frozenset({400, 413, 415, 422})


class WebhookWriter:
    """One connection, kept alive between batches."""

    def __init__(self, settings: WebhookSettings) -> None:
        self._settings = settings
        self._key = signing_key(settings.secret.get_secret_value())
        self._tls = tls_context(settings.ca) if settings.target.startswith("https:") else None
        self._http: aiohttp.ClientSession | None = None

    async def deliver(self, batch: Batch) -> None:
        body = batch_body(self._settings.name, batch)
        timestamp_s = int(time.time())  # of this attempt: a receiver refuses old ones
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"edge/{edge.__version__}",
            "webhook-id": batch.id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": signature(self._key, batch.id, timestamp_s, body),
        }
        if self._settings.authorization is not None:
            headers["Authorization"] = self._settings.authorization.get_secret_value()
        try:
            async with self._session().post(
                self._settings.url.get_secret_value(),
                data=body,
                headers=headers,
                allow_redirects=False,
                ssl=self._tls or True,
            ) as response:
                _judge(response)
        except TimeoutError as error:
            raise DeliveryError(f"no answer within {self._settings.timeout_s:g} s") from error
        except aiohttp.ClientConnectionError as error:  # names the host at most
            raise DeliveryError(str(error) or type(error).__name__) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryError(type(error).__name__) from error

    async def maintain(self) -> None:
        pass

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=1),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
            )
        return self._http


def batch_body(sink: str, batch: Batch) -> bytes:
    """The request's body; the same for each attempt."""
    head = {
        "sink": sink,
        "id": batch.id,
        "dropped": batch.dropped,
        "dropped_total": batch.dropped_total,
    }
    events = ",".join(event.text for event in batch.events)
    return f'{json.dumps(head, separators=(",", ":"))[:-1]},"events":[{events}]}}'.encode()


def _judge(response: aiohttp.ClientResponse) -> None:
    """DeliveryError unless the status says that the batch was taken. Its body is not read."""
    status = response.status
    if 200 <= status < 300:
        return
    wish = response.headers.get("Retry-After", "")
    raise DeliveryError(
        f"answered {status}"
        + (", a redirect, which is not followed" if status // 100 == 3 else ""),
        refused=status in REFUSALS,
        retry_after_s=float(wish)
        if wish.isascii() and wish.isdecimal() and len(wish) < 8
        else None,
    )
