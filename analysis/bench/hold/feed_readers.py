"""A reader of each session's feed, in a process of its own: `python -m ... URL`.

It looks for new sessions once a second, and reads each one's events until the session ends. When
its standard input ends it writes how many sessions and results it has read, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter

import aiohttp

_LOOK_S = 1.0
_EVENT = b"\ndata: "


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
        async with self._http.get(f"{self._url}api/sessions/{name}/results") as response:
            response.raise_for_status()
            end = b""  # of what came, which may be the beginning of an event's line
            async for some in response.content.iter_any():
                text = end + some
                self.results[name] += text.count(_EVENT)
                end = text[1 - len(_EVENT) :]


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
