"""WHIP from the publisher's side (RFC 9725): an offer is POSTed, the session is DELETEd."""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import errno
import json
import ssl
import time
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import aiohttp

_POST_S = 15.0
_DELETE_S = 2.0
_STATE_S = 1.0
_TEMPORARY = frozenset({408, 425, 429})  # of the client errors: the same offer may do later


class PublishError(Exception):
    """The server refused the publisher, or the connection ended; the message gives the reason.

    `final`: the same request would be refused again. `retry_after_s` is the server's own wish.
    """

    def __init__(
        self, message: str, *, final: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(message)
        self.final = final
        self.retry_after_s = retry_after_s


class WhipClient:
    """One session at the server whose base URL, or WHIP endpoint, is `url`.

    `tls` has the authorities to trust; False accepts any certificate.
    """

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        token: str | None = None,
        tls: ssl.SSLContext | bool = True,
    ) -> None:
        self.url = url.rstrip("/").removesuffix("/whip") + "/"
        self.location = ""
        """The session's path or URL, as in the response's Location header."""
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = tls

    async def publish(self, offer: str, query: Mapping[str, str]) -> str:
        """The SDP answer to an SDP offer. Raises PublishError."""
        try:
            async with (
                asyncio.timeout(_POST_S),
                self._http.post(
                    urljoin(self.url, "whip"),
                    data=offer,
                    headers={"Content-Type": "application/sdp", **self._headers},
                    params=query,
                    ssl=self._tls,
                ) as response,
            ):
                answer = await response.text()
                if response.status != 201:
                    raise PublishError(
                        f"{self.url}: {response.status}: {refusal(answer)}",
                        final=400 <= response.status < 500 and response.status not in _TEMPORARY,
                        retry_after_s=retry_after_s(response.headers.get("Retry-After", "")),
                    )
                self.location = response.headers["Location"]
        except (aiohttp.ClientConnectorCertificateError, aiohttp.InvalidURL) as error:
            raise PublishError(
                f"{self.url}: {error or type(error).__name__}", final=True
            ) from error
        except (aiohttp.ClientError, KeyError, UnicodeDecodeError) as error:
            raise PublishError(f"{self.url}: {error or type(error).__name__}") from error
        except TimeoutError as error:
            raise PublishError(f"{self.url}: no response within {_POST_S:g} s") from error
        return answer

    @property
    def session(self) -> str:
        """The session's id, as `replaces` names it; empty before the answer."""
        return urlsplit(self.location).path.rstrip("/").rpartition("/")[2]

    async def gone(self) -> bool:
        """Whether the server says that it does not have the session, or its port is closed."""
        if not self.location:
            return False
        try:
            async with (
                asyncio.timeout(_STATE_S),
                self._http.get(
                    urljoin(self.url, self.location), headers=self._headers, ssl=self._tls
                ) as response,
            ):
                return response.status in (404, 410)
        except aiohttp.ClientConnectorError as error:
            return error.os_error.errno == errno.ECONNREFUSED
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def end(self) -> None:
        """End the session, if there is one; failures are ignored."""
        if not self.location:
            return
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(_DELETE_S):
                await self._http.delete(
                    urljoin(self.url, self.location), headers=self._headers, ssl=self._tls
                )


def refusal(body: str) -> str:
    """The reason in the body of a refusal."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200] or "no reason given"


def retry_after_s(value: str) -> float | None:
    """A Retry-After header's seconds from now (RFC 9110, 10.2.3): a number or a date."""
    if value.strip().isdecimal():
        return float(value)
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None
