"""A connection to the engine, a nats-server, which is made again for ever.

While there is none, messages are dropped, not kept: a beat is of now. Nothing here raises because
the engine is away, and nobody waits for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge.base.backoff import RetryWait
from edge.base.clock import now_ms
from edge.base.event_log import get_logger
from edge.config.fleet import FleetCredentials, FleetSettings, load_credentials

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

log = get_logger("edge.fleet.engine")

EXTRA = "pip install 'edge-video[fleet]'"
CONNECT_S = 3.0
CHECK_EVERY_S, CHECK_S = 1.0, 3.0  # a round trip, and how long it may take: one that hangs is left
RETRY_FIRST_S, RETRY_MOST_S = 0.1, 0.5  # the view is to be whole a second after the engine is back
CLOSE_S = 1.0
CANCEL_AGAIN_S = 0.2  # it ends at once, or not at all
MAX_WAITING = 4096  # messages of one subscription; the newest are dropped

Handler = Callable[[bytes], Awaitable[bytes | None]]
"""Gets a message's data; returns the reply, if it is to have one."""


class EngineError(Exception):
    """There can be no connection to the engine at all; the message says why and what to do."""


class Engine:
    """From `start` to `stop`; `subscribe` comes before `start`."""

    def __init__(
        self,
        settings: FleetSettings,
        client_name: str,
        own_certificate: Path | None = None,
    ) -> None:
        """EngineError without nats-py; CredentialsError for a file that cannot be used.
        `own_certificate`: the one that the engine has to have, where it is this process' own."""
        try:
            import nats  # noqa: F401, PLC0415  # of the extra `fleet`
        except ModuleNotFoundError as error:
            raise EngineError(f"fleet needs nats-py: {EXTRA}") from error
        self._settings = settings
        credentials = None if settings.creds is None else load_credentials(settings.creds)
        self.user = None if credentials is None else credentials.user
        """By which it is logged in."""
        self._options = _options(settings, credentials, client_name)
        if own_certificate is not None:
            self._options["tls"] = _trusting_only(own_certificate)
        self._handlers: dict[str, Handler] = {}
        self._client: Client | None = None
        self._since_ms = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_connected(self) -> bool:
        return self._client is not None and self._client.is_connected

    @property
    def connected_ms(self) -> float:
        """For how long there has been a connection; 0 if there is none."""
        return now_ms() - self._since_ms if self.is_connected else 0.0

    def subscribe(self, subject: str, handler: Handler) -> None:
        self._handlers[subject] = handler

    def start(self) -> None:
        self._task = asyncio.create_task(self._stay_connected(), name="edge-engine")

    async def stop(self) -> None:
        """nats-py takes a cancellation for itself at times, as it closes: it is then sent again."""
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)

    async def publish(self, subject: str, data: bytes) -> bool:
        """Send, if the engine is there; whether it was handed over."""
        client = self._client
        if client is None or not client.is_connected:
            return False
        try:
            async with asyncio.timeout(CLOSE_S):
                await client.publish(subject, data)
        except Exception as error:  # of a connection that is ending: the task sees to it
            log.debug("engine_publish_failed", subject=subject, error=repr(error))
            return False
        return True

    async def request(self, subject: str, data: bytes, timeout_s: float) -> bytes | None:
        """The reply; None if there is none in time, or no engine."""
        client = self._client
        if client is None or not client.is_connected:
            return None
        try:
            async with asyncio.timeout(timeout_s):
                return bytes((await client.request(subject, data, timeout=timeout_s)).data)
        except Exception as error:  # nobody there, no reply, or a connection that is ending
            log.debug("engine_request_failed", subject=subject, error=repr(error))
            return None

    async def _stay_connected(self) -> None:
        wait = RetryWait(first_s=RETRY_FIRST_S, most_s=RETRY_MOST_S)
        reason = ""
        while True:
            try:
                client = await self._connect()
                log.info("engine_connected", servers=self._settings.servers)
                self._client, reason = client, ""
                self._since_ms = now_ms()
                wait.worked()
                lost = await self._until_lost(client)
                log.warning("engine_lost", reason=lost)
            except Exception as error:  # nats-py raises many kinds
                if (text := _explanation(error)) != reason:  # one line for each reason in a row
                    reason = text
                    log.warning("engine_away", servers=self._settings.servers, reason=text)
            finally:
                client_before, self._client = self._client, None
                if client_before is not None:
                    await _close(client_before)
            await asyncio.sleep(wait.next_s())

    async def _connect(self) -> Client:
        from nats.aio.client import Client  # noqa: PLC0415

        client = Client()
        try:
            async with asyncio.timeout(CONNECT_S):
                await client.connect(**self._options)
            for subject, handler in self._handlers.items():
                callback = _answering(handler)
                await client.subscribe(subject, cb=callback, pending_msgs_limit=MAX_WAITING)
        except BaseException:
            await _close(client)
            raise
        return client

    async def _until_lost(self, client: Client) -> str:
        """Returns why the connection is of no use any more."""
        while client.is_connected:
            await asyncio.sleep(CHECK_EVERY_S)
            try:
                async with asyncio.timeout(CHECK_S):
                    await client.flush(timeout=CHECK_S)  # type: ignore[arg-type]  # seconds
            except Exception as error:
                return f"no answer: {_explanation(error)}"
        return _explanation(client.last_error)


def _options(
    settings: FleetSettings, credentials: FleetCredentials | None, client_name: str
) -> dict[str, Any]:
    async def on_error(error: Exception) -> None:
        log.debug("engine_error", error=repr(error))

    options: dict[str, Any] = {
        "servers": settings.servers,
        "name": client_name,
        "allow_reconnect": False,  # the task does: subscriptions and the backoff are its own
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": RETRY_FIRST_S,
        "connect_timeout": CONNECT_S,
        "error_cb": on_error,
    }
    if credentials is not None:
        options["user"] = credentials.user
        options["password"] = credentials.password.get_secret_value()
        if credentials.ca is not None:
            try:
                options["tls"] = ssl.create_default_context(cafile=credentials.ca)
            except (OSError, ValueError) as error:
                raise EngineError(f"{settings.creds}: ca: {credentials.ca}: {error}") from error
    return options


def _trusting_only(certificate: Path) -> ssl.SSLContext:
    """It is reached at loopback, whatever names its certificate has."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _answering(handler: Handler) -> Callable[[Msg], Awaitable[None]]:
    async def on_message(message: Msg) -> None:
        try:
            reply = await handler(bytes(message.data))
            if reply is not None and message.reply:
                await message.respond(reply)
        except Exception:
            log.exception("engine_message_failed", subject=message.subject)

    return on_message


async def _close(client: Client) -> None:
    with contextlib.suppress(Exception):
        async with asyncio.timeout(CLOSE_S):
            await client.close()


def _explanation(error: BaseException | None) -> str:
    return "closed" if error is None else str(error) or type(error).__name__
