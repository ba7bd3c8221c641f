"""A reader of each session's feed, in a process of its own: `python -m ... URL`.

It looks for new sessions once a second, and reads each one's events until the session ends. When
its standard input ends it writes how many sessions and results it has read, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from urllib.parse import urlsplit

import aiohttp

_LOOK_S = 1.0
_EVENT = b"\ndata: "
_READ_BYTES = 16 * 1024
_OK = b"HTTP/1.1 200"


class FeedReaders:
    """Reads the feeds of a server's sessions, and counts their results."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._reading: dict[str, asyncio.Task[None]] = {}
        self.results: Counter[str] = Counter()  # by session

    async def look(self) -> None:
        """Begin to read the sessions that are new."""
        async with self._http.get(f"{self._url}api/sessions") as response:
            response.raise_for_status()
            names = [str(each["name"]) for each in (await response.json())["sessions"]]
        for name in names:
            if name not in self._reading:
                self._reading[name] = asyncio.create_task(self._read(name))

    async def close(self) -> None:
        """Stop reading."""
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def _read(self, name: str) -> None:
        await EventCounter(self._url, name, self.results).read()


class EventCounter(asyncio.BufferedProtocol):
    """Counts a feed's events as they come off the socket, for little of the processor time that
    the server is to have: what a reader does with them is its own affair."""

    def __init__(self, url: str, name: str, results: Counter[str]) -> None:
        """`url` is an http: one."""
        self._address, self._name, self._results = urlsplit(url), name, results
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._end = b""  # of what came, which may be the beginning of an event's line
        self._closed = asyncio.get_running_loop().create_future()

    async def read(self) -> None:
        """Read until the server ends the feed. ConnectionError if it does not give it."""
        host, port = self._address.hostname or "", self._address.port or 80
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: self, host, port)
        path = f"{self._address.path}api/sessions/{self._name}/results"
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n"
        transport.write(request.encode())
        try:
            await self._closed
        finally:
            transport.close()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        text = self._end + bytes(self._buffer[:nbytes])
        if text.startswith(b"HTTP/1.1 ") and not text.startswith(_OK):
            self._fail(ConnectionError(text.partition(b"\r\n")[0].decode()))
        self._results[self._name] += text.count(_EVENT)
        self._end = text[1 - len(_EVENT) :]

    def connection_lost(self, error: Exception | None) -> None:
        if not self._closed.done():
            self._closed.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._closed.done():
            self._closed.set_exception(error)


async def _main(url: str) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30.0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as http:
        readers = FeedReaders(http, url)
        while not ended.is_set():
            await readers.look()
            try:
                async with asyncio.timeout(_LOOK_S):
                    await ended.wait()
            except TimeoutError:
                continue
        await readers.close()
    report = {"sessions": len(readers.results), "results": readers.results.total()}
    print(json.dumps(report), flush=True)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
