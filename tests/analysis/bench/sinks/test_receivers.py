"""A webhook's process takes batches, is killed, and comes back at the same address."""

from __future__ import annotations

import aiohttp
import pytest

from analysis.bench.sinks.receivers import WebhookReceiver


async def test_what_was_taken_outlives_the_kill() -> None:
    receiver = WebhookReceiver()
    url = receiver.settings["url"]
    async with aiohttp.ClientSession() as http:
        await receiver.start()
        async with http.post(url, json={"dropped": 0, "events": [{"event": "a-1"}]}) as response:
            assert response.status == 200
        await receiver.kill()
        assert receiver.receipt.arrived == 1
        with pytest.raises(aiohttp.ClientConnectionError):
            await http.post(url, json={"events": []})
        await receiver.start()
        async with http.post(url, json={"dropped": 4, "events": [{"event": "a-6"}]}) as response:
            assert response.status == 200
        await receiver.close()
    assert (receiver.receipt.arrived, receiver.receipt.told) == (2, 4)
