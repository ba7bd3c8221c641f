"""WHIP from the publisher's side (RFC 9725): an offer is POSTed, the session is DELETEd."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from urllib.parse import urljoin

import aiohttp

_DELETE_S = 2.0


class PublishError(Exception):
    """The server refused the publisher, or the connection ended; the message gives the reason."""


class WhipClient:
    """One session at the server whose base URL is `url`; `insecure` accepts any certificate."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        *,
        token: str | None = None,
        insecure: bool = False,
    ) -> None:
        self.url = url.rstrip("/") + "/"
        self.location = ""
        """The session's path or URL, as in the response's Location header."""
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._insecure = insecure

    async def publish(self, offer: str, query: Mapping[str, str]) -> str:
        """The SDP answer to an SDP offer. Raises PublishError."""
        try:
            async with self._http.post(
                urljoin(self.url, "whip"),
                data=offer,
                headers={"Content-Type": "application/sdp", **self._headers},
                params=query,
                ssl=not self._insecure,
            ) as response:
                answer = await response.text()
                if response.status != 201:
                    raise PublishError(f"{self.url}: {response.status}: {refusal(answer)}")
                self.location = response.headers["Location"]
        except (aiohttp.ClientError, KeyError) as error:
            raise PublishError(f"{self.url}: {error or type(error).__name__}") from error
        return answer

    async def end(self) -> None:
        """End the session, if there is one; failures are ignored."""
        if not self.location:
            return
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(_DELETE_S):
                await self._http.delete(
                    urljoin(self.url, self.location), headers=self._headers, ssl=not self._insecure
                )


def refusal(body: str) -> str:
    """The reason in the body of a refusal."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:200] or "no reason given"
