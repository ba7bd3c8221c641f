"""The operator's event stream and metrics, as tests read them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


async def dashboard_states(http: aiohttp.ClientSession, url: str) -> AsyncIterator[dict[str, Any]]:
    """The messages of the event stream, as they come."""
    async with http.get(f"{url}/admin/events") as stream:
        assert stream.content_type == "text/event-stream"
        async with asyncio.timeout(20):
            async for line in stream.content:
                if line.startswith(b"data: "):
                    yield json.loads(line[6:])


async def metric(http: aiohttp.ClientSession, url: str, name: str) -> dict[str, float]:
    """Samples of a counter or gauge, by their only label's value."""
    async with http.get(f"{url}/metrics") as it:
        families = list(text_string_to_metric_families(await it.text()))
    [family] = [each for each in families if each.name == name]
    return {next(iter(each.labels.values()), ""): each.value for each in family.samples}
