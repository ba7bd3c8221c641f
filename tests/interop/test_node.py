"""Publishers on Node.js: werift, a stack in TypeScript, and libdatachannel, one in C++."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.node_publishers import installed, program, write_stream
from tests.interop.whip import FRAMES, Published, publish
from tests.npm import NpmMissingError

pytestmark = pytest.mark.interop

ATTEMPTS = 3
# libdatachannel may answer connectivity checks, and begin DTLS, before the answer's fingerprint is
# in force with it: it then refuses the server's certificate, more often on a busy machine.
EARLY_HANDSHAKE = "the publisher refused this server's handshake: unknown authority"


def _tells_nothing(published: Published) -> bool:
    """Whether the publisher failed, and what it says it sent did not all come, over loopback.

    Seen once with werift, on a busy machine: 38 of 45 frames came, each was answered, and then no
    packet more, though the session went on. A frame that came and has no outcome is not excused.
    """
    if EARLY_HANDSHAKE in published.bye:
        return True
    came = 0 if published.reception is None else published.reception.packets
    return published.status != 0 and came < published.report["packets"]


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    try:
        installed()
    except NpmMissingError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("results", ["channel", "events"])
@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9", "av1"])
@pytest.mark.parametrize("name", ["werift", "libdatachannel"])
async def test_every_frame_of_it_has_one_outcome(
    tmp_path: Path, name: str, codec: str, results: str
) -> None:
    """Counted by the server, and by the publisher from what the server told it."""
    stream = write_stream(tmp_path / "stream.rtp", codec, FRAMES)
    for _ in range(ATTEMPTS):
        published = await publish(program(name, stream), "--codec", codec, "--results", results)
        if not _tells_nothing(published):
            break
    assert published.status == 0, published
    assert published.sent == FRAMES
    published.check()
    assert published.report["outcomes"] == dict(published.outcomes)
    assert published.report["twice"] == 0


@pytest.mark.parametrize("name", ["werift", "libdatachannel"])
async def test_a_codec_that_is_not_decoded_is_refused_in_words(tmp_path: Path, name: str) -> None:
    stream = write_stream(tmp_path / "stream.rtp", "vp8", 1)
    published = await publish(program(name, stream), "--codec", "h265")
    assert published.status == 1
    assert "H265 is not decoded (this server takes VP8, H264, VP9, AV1)" in published.output
