"""The receiving process' server: one receiver a connection, pictures by connection."""

from __future__ import annotations

import aiohttp

from analysis.bench.ingest.receiver_process import KINDS, IngestReceiver, Pictures, WhipServer


class Receiver:
    """Answers at once, and decodes what the test says."""

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures
        self.closed = 0

    async def answer(self, offer: str) -> str:
        return f"answer to {offer}"

    async def close(self) -> None:
        self.closed += 1


async def test_pictures_are_taken_once_by_connection() -> None:
    receivers: list[Receiver] = []

    def make(pictures: Pictures) -> IngestReceiver:
        receivers.append(Receiver(pictures))
        return receivers[-1]

    server = WhipServer(make)
    url = await server.start()
    try:
        async with aiohttp.ClientSession() as http:
            locations = []
            for offer in ("a", "b"):
                async with http.post(f"{url}/whip", data=offer) as response:
                    assert response.status == 201
                    assert await response.text() == f"answer to {offer}"
                    locations.append(response.headers["Location"])
            assert len(set(locations)) == 2
            receivers[0].pictures.append((90, 1.0))
            receivers[1].pictures.append((180, 2.0))
            assert server.take() == {locations[0]: [(90, 1.0)], locations[1]: [(180, 2.0)]}
            assert server.take() == {locations[0]: [], locations[1]: []}
            receivers[0].pictures.append((270, 3.0))
            assert server.take()[locations[0]] == [(270, 3.0)]
            async with http.delete(f"{url}{locations[0]}") as response:
                assert response.status == 200
            assert [receiver.closed for receiver in receivers] == [1, 0]
    finally:
        await server.close()
    assert [receiver.closed for receiver in receivers] == [2, 1]


def test_both_kinds_can_be_asked_for() -> None:
    assert set(KINDS) == {"ours", "stock"}
