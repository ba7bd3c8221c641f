"""Which rendition is selected, and when it is reported as applied."""

from __future__ import annotations

from typing import cast

import pytest

from edge.client.messages import ReceivedHint
from edge.client.video_sender import START_BPS
from netem.footage.encoded_clip import EncodedClip, EncodedRendition, Rendition
from netem.publisher.clip_stream import ClipStream
from netem.publisher.rendition_selector import START_LONG_SIDE, RenditionSelector


class FakeClip:
    """Renditions by the long side and bitrate asked for; `loaded` need no loading."""

    fps = 20

    def __init__(self) -> None:
        self.made: dict[Rendition, EncodedRendition] = {}
        self.error: Exception | None = None

    def rendition(self, max_edge: float, max_bps: float, fps: float | None = None) -> Rendition:
        return Rendition(int(max_edge), max_bps)

    def ready(self, rendition: Rendition) -> EncodedRendition | None:
        return self.made.get(rendition)

    def get(self, rendition: Rendition) -> None:
        if self.error is not None:
            raise self.error
        self.made[rendition] = EncodedRendition(rendition, 16, 16, rendition.bits, ((b"f",) * 8,))


class Setup:
    """A selector with everything around it."""

    def __init__(self) -> None:
        self.clip = FakeClip()
        self.stream = ClipStream(2, 8, 2)
        self.applied = 0
        self.failures: list[str] = []
        self.selector = RenditionSelector(
            cast(EncodedClip, self.clip), self.stream, self._on_applied, self.failures.append
        )

    def _on_applied(self) -> None:
        self.applied += 1

    def sent(self) -> Rendition | None:
        """What the stream sends at its next step."""
        self.stream.at(0, 0.0)
        return None if self.stream.encode is None else self.stream.encode.rendition


def hint(max_edge: int, max_bps: float, fps: float = 20.0) -> ReceivedHint:
    return ReceivedHint(1, max_edge, fps, max_bps, "v", "r", 0.0)


async def test_the_first_rendition_is_there_when_start_returns() -> None:
    setup = Setup()
    await setup.selector.start()
    assert setup.sent() == Rendition(START_LONG_SIDE, START_BPS)


async def test_the_lower_of_hint_and_estimate_limits_the_bitrate() -> None:
    setup = Setup()
    await setup.selector.start()
    setup.selector.on_hint(hint(416, 900_000, fps=10.0))
    await setup.selector.start()
    assert setup.sent() == Rendition(416, 900_000)
    assert setup.stream.share == 0.5
    setup.selector.on_estimate(400_000)
    await setup.selector.start()
    assert setup.sent() == Rendition(416, 400_000)
    assert setup.selector.estimate_bps == 400_000


async def test_a_hint_is_applied_once_its_rendition_is_sent() -> None:
    setup = Setup()
    await setup.selector.start()
    setup.selector.on_hint(hint(416, 900_000))
    await setup.selector.start()
    assert setup.applied == 0
    sent = setup.sent()
    assert sent is not None
    setup.selector.on_sent(Rendition(128, 1.0))
    assert setup.applied == 0
    setup.selector.on_sent(sent)
    assert setup.applied == 1
    setup.selector.on_hint(hint(416, 900_000))  # what is sent already
    assert setup.applied == 2


async def test_a_rendition_that_cannot_be_encoded_is_reported() -> None:
    setup = Setup()
    setup.clip.error = RuntimeError("no encoder")
    with pytest.raises(RuntimeError, match="no encoder"):
        await setup.selector.start()
    assert setup.failures == ["no video to send: no encoder"]
    await setup.selector.stop()


async def test_nothing_is_selected_after_the_end() -> None:
    setup = Setup()
    await setup.selector.start()
    before = setup.sent()
    setup.selector.on_hint(hint(416, 900_000))
    await setup.selector.stop()
    assert setup.sent() == before
