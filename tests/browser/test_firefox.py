"""The page in Firefox, where some of the sender's controls are missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from edge.rtc.peer_connection import DecodedFrame

from .cameras import READ_BARCODE
from .conftest import firefox_path
from .firefox import Firefox, firefox
from .pages import adds_up
from .standin import Box, Standin, seconds_between, serving

pytestmark = pytest.mark.browser

# A camera whose every picture is numbered as cameras.py does it.
NUMBERED_CAMERA = """
  window.tracks = [];
  navigator.mediaDevices.getUserMedia = async () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [640, 480];
    const context = canvas.getContext("2d");
    const stream = canvas.captureStream();
    let index = 0;
    const draw = () => {
      context.fillStyle = `rgb(${70 + (index % 16)} 80 90)`;
      context.fillRect(0, 0, 640, 480);
      for (let cell = 0; cell < 16; cell += 1) {
        const bit = ((index >> (cell % 8)) & 1) ^ (cell >> 3);
        context.fillStyle = bit ? "#ebebeb" : "#101010";
        context.fillRect(cell * 40, 432, 40, 48);
      }
      index = (index + 1) % 240;
    };
    draw();
    const timer = setInterval(draw, 1000 / 15);
    window.tracks.push(...stream.getTracks());
    return stream;
  };
  return true;
"""
COLLECT = f"""
  const read = {READ_BARCODE};
  window.drawn = [];
  window.addEventListener("edge:drawn", ({{ detail }}) => {{
    const shown = read(document.getElementById("canvas"), detail.mirrored);
    window.drawn.push([shown, Math.round(detail.boxes[0][2] * 512)]);
  }});
  return true;
"""


def box_that_tells_the_index(frame: DecodedFrame, index: int) -> list[Box]:
    return [("person", 0.9, index / 512, 0.2, index / 512 + 0.2, 0.6)]


@pytest_asyncio.fixture
async def standin() -> AsyncIterator[Standin]:
    async with serving(boxes=box_that_tells_the_index) as server:
        yield server


async def browse(work: Callable[[Firefox], Any]) -> Any:
    """Do something in a fresh Firefox, off the event loop; no script of the page may fail."""

    def browsing() -> Any:
        path = firefox_path()
        assert path is not None
        with firefox(path) as browser:
            outcome = work(browser)
            errors = [
                line
                for line in browser.log.read_text(errors="replace").splitlines()
                if ("JavaScript error" in line or "Content-Security-Policy" in line)
                and "/static/" in line
            ]
            assert not errors, errors
            return outcome

    return await asyncio.to_thread(browsing)


async def test_a_session_works_and_is_released(standin: Standin) -> None:
    loop = asyncio.get_running_loop()

    def work(browser: Firefox) -> dict[str, Any]:
        browser.open(f"{standin.url}?autostart=1&slo=5000")
        browser.until("edge.counts.in_time > 20 && edge.snapshot().drawn > 10")
        snapshot = browser.snapshot()
        browser.run("document.getElementById('toggle').click();")
        browser.until("edge.state === 'idle'")
        # Before the browser is closed: its DELETE may still be on its way.
        released = standin.until(lambda: standin.guest.ended)
        asyncio.run_coroutine_threadsafe(released, loop).result()
        return snapshot

    snapshot = await browse(work)
    assert snapshot["classes"] == {"person": pytest.approx(snapshot["counts"]["in_time"], abs=3)}
    assert adds_up(snapshot["counts"])
    legs = snapshot["legs_ms"]
    assert all(legs[leg]["p50"] is not None for leg in legs)
    assert legs["encode"]["p50"] >= 0


async def test_each_box_is_drawn_over_its_own_picture(standin: Standin) -> None:
    def work(browser: Firefox) -> list[list[int]]:
        browser.open(standin.url)
        browser.run(NUMBERED_CAMERA)
        browser.run(COLLECT)
        browser.run("document.getElementById('welcome-camera').click();")
        browser.until("window.drawn.length >= 40")
        return list(browser.value("window.drawn"))

    pairs = await browse(work)
    wrong = [pair for pair in pairs if pair[0] != pair[1]]
    # Firefox tells no capture times, and loses media time while the machine stalls.
    assert len(wrong) <= len(pairs) // 10, pairs


async def test_hints_are_carried_out_as_far_as_it_can(standin: Standin) -> None:
    async def steer() -> None:
        await standin.until(lambda: standin.guests and len(standin.guest.frames) > 10, 60)
        guest = standin.guest
        guest.say("hint", seq=4, max_edge=320, fps=5, max_bps=150_000, reason="for the test")
        await standin.until(lambda: {"type": "applied", "seq": 4} in guest.messages, 60)
        await standin.until(lambda: guest.frames[-1].width == 320, 60)
        begin = len(guest.frames)
        await standin.until(lambda: len(guest.frames) >= begin + 12, 60)
        sent = guest.frames[begin + 2 :]
        seconds = seconds_between(sent[0], sent[-1])
        assert (len(sent) - 1) / seconds == pytest.approx(5, rel=0.35)

    def work(browser: Firefox) -> None:
        browser.open(f"{standin.url}?autostart=1&slo=5000")
        browser.until("edge.hint?.seq === 4 && edge.sent_sizes['320x180'] > 12")

    await asyncio.gather(browse(work), steer())


async def test_the_sample_video_works_there_too(standin: Standin) -> None:
    def work(browser: Firefox) -> dict[str, Any]:
        browser.open(f"{standin.url}?autostart=1&source=sample&slo=5000")
        browser.until("edge.counts.in_time > 20 && edge.snapshot().drawn > 10")
        return browser.snapshot()

    snapshot = await browse(work)
    assert adds_up(snapshot["counts"])
    assert list(snapshot["sent_sizes"]) == ["608x258"]
