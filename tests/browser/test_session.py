"""What a person and a server can do to a session, and what the page makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from .cameras import numbered
from .pages import SESSION_LOOP, adds_up, opened
from .standin import Standin, seconds_between, serving

pytestmark = [pytest.mark.browser, SESSION_LOOP]

HIDE = """
(hidden) => {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}
"""
# Keeps every camera track that the page was given, to see whether it let them go.
TRACKS = """
  const ask = MediaDevices.prototype.getUserMedia;
  window.tracks = [];
  MediaDevices.prototype.getUserMedia = async function (...wishes) {
    const stream = await ask.apply(this, wishes);
    window.tracks.push(...stream.getTracks());
    return stream;
  };"""
ENDED = "() => window.tracks.length > 0 && window.tracks.every((t) => t.readyState === 'ended')"


@pytest.fixture
def camera() -> Path:
    return numbered()


@pytest_asyncio.fixture(loop_scope="session")
async def standin() -> AsyncIterator[Standin]:
    async with serving(boxes=lambda frame, index: [("person", 0.9, 0.1, 0.1, 0.4, 0.8)]) as server:
        yield server


async def test_hints_are_carried_out_and_confirmed(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000, label="porch")
        await standin.until(lambda: standin.guests and len(standin.guest.frames) > 20)
        guest = standin.guest
        assert guest.query == {"slo_ms": "5000", "label": "porch"}
        guest.say("hint", seq=7, max_edge=320, fps=5, max_bps=150_000, reason="for the test")
        await standin.until(lambda: {"type": "applied", "seq": 7} in guest.messages)
        begin = await standin.until(
            lambda: next((i for i, seen in enumerate(guest.frames) if seen.width == 320), None)
        )
        await standin.until(lambda: len(guest.frames) >= begin + 20)
        sent = guest.frames[begin + 2 : begin + 20]
        seconds = seconds_between(sent[0], sent[-1])
        assert {(seen.width, seen.height) for seen in sent} == {(320, 180)}
        assert (len(sent) - 1) / seconds == pytest.approx(5, rel=0.25)
        assert 8 * (sent[-1].total_bytes - sent[0].total_bytes) / seconds < 1.5 * 150_000
        await page.until("edge.hint.seq === 7 && edge.snapshot().hints_applied >= 1")
        snapshot = await page.snapshot()
        assert "320x180" in snapshot["sent_sizes"]
        assert snapshot["counts"]["dropped"]["paced"] > 20  # 10 of 15 pictures a second
        assert adds_up(snapshot["counts"])
        await page.page.get_by_text("for the test").wait_for(state="attached")
        # An old hint that comes late changes nothing.
        guest.say("hint", seq=3, max_edge=640, fps=15, max_bps=900_000)
        guest.say("hint", seq=8, max_edge=256, fps=15, max_bps=900_000)
        await standin.until(lambda: {"type": "applied", "seq": 8} in guest.messages)
        assert {"type": "applied", "seq": 3} not in guest.messages


async def test_clocks_and_reports(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await standin.until(lambda: standin.guests and len(standin.guest.said("report")) >= 6)
        guest = standin.guest
        hello = guest.said("hello")[0]
        assert hello == {
            "type": "hello",
            "version": 1,
            "slo_ms": 5000,
            "fps": 15,
            "label": "",
            "min_score": 0,
        }
        assert any("offset_ms" in ping and ping["rtt_ms"] < 1000 for ping in guest.said("ping"))
        report = guest.said("report")[-1]
        assert (report["width"], report["height"]) == (608, 342)
        assert {"n", "late", "p50_ms", "p99_ms"} <= set(report["shown"])
        assert report["back_ms"]["p50"] >= 0
        snapshot = await page.snapshot()
        legs = snapshot["legs_ms"]
        assert set(legs) == {*("encode", "network", "decode", "queue", "inference", "send", "back")}
        assert all(leg["p50"] is not None for leg in legs.values())
        assert -1 < legs["network"]["p50"] < snapshot["latency_ms"]["p50"]


async def test_the_objective_can_be_changed_while_live(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1)
        await page.until("edge.counts.in_time > 3")
        await page.page.get_by_label("500 ms").check(force=True)
        guest = standin.guest
        await standin.until(lambda: guest.said("hello")[-1]["slo_ms"] == 500)
        assert (await page.snapshot())["slo_ms"] == 500
        assert len(standin.guests) == 1


async def test_the_operator_may_change_the_objective(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 0")
        standin.guest.say("welcome", session="x", slo_ms=500.0)
        await page.until("edge.snapshot().slo_ms === 500")
        hellos = [each for each in standin.guest.messages if each["type"] == "hello"]
        assert [each["slo_ms"] for each in hellos] == [5000]  # it has no wish of its own in that


async def test_stop_releases_camera_and_session(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera, scripts=[TRACKS]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        await page.page.get_by_role("button", name="Stop").click()
        await standin.until(lambda: standin.guest.ended)
        assert await page.page.evaluate(ENDED)
        snapshot = await page.snapshot()
        assert snapshot["state"] == "idle"
        assert snapshot["counts"]["pending"] == 0
        assert adds_up(snapshot["counts"])
        await page.page.get_by_role("button", name="Start camera").last.press("Enter")  # again
        await page.until("edge.counts.in_time > 3")
        assert len(standin.guests) == 2


async def test_finish_leaves_no_frame_uncounted(standin: Standin, camera: Path) -> None:
    standin.delay_ms = lambda index: 120.0
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 10")
        counts = (await page.page.evaluate("() => window.__edge.finish()"))["counts"]
        assert counts["pending"] == 0
        assert "stopped" not in counts["dropped"]
        assert adds_up(counts)


@pytest.mark.parametrize("transforms", [True, False])
async def test_what_the_server_dropped_is_counted(
    standin: Standin, camera: Path, transforms: bool
) -> None:
    standin.drop = lambda index: {"reason": "late", "infeasible": True} if index % 2 else None
    without = [] if transforms else ["delete globalThis.RTCRtpScriptTransform;"]
    async with opened(standin.url, camera, scripts=without) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 10 && edge.counts.dropped.late > 10")
        counts = (await page.page.evaluate("() => window.__edge.finish()"))["counts"]
        assert counts["pending"] == 0
        assert counts["infeasible"] >= counts["dropped"]["late"]
        assert adds_up(counts)


async def test_hiding_the_page_releases_everything_and_showing_it_goes_on(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera, scripts=[TRACKS]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        await page.page.evaluate(HIDE, True)
        await standin.until(lambda: standin.guest.ended)
        assert await page.page.evaluate(ENDED)
        assert (await page.snapshot())["state"] == "paused"
        before = (await page.snapshot())["counts"]["in_time"]
        await page.page.evaluate(HIDE, False)
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 3}")
        assert adds_up((await page.snapshot())["counts"])


async def test_closing_the_page_ends_the_session(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        await page.page.context.new_page()  # a browser without pages would exit
        await page.page.close()
        await standin.until(lambda: standin.guest.ended)


async def test_it_reconnects_after_the_server_restarts(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera, scripts=[TRACKS], complaints=True) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        before = (await page.snapshot())["counts"]["in_time"]
        await standin.stop()
        await page.until("edge.state === 'reconnecting'")
        assert await page.page.get_by_text("Trying again").is_visible()
        await standin.start()
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 5}")
        snapshot = await page.snapshot()
        assert snapshot["reconnects"] >= 1
        assert len(standin.guests) >= 2
        assert adds_up(snapshot["counts"])
        assert await page.page.evaluate("() => window.tracks.length") == 1  # the camera stayed on


async def test_a_link_that_falls_silent_is_given_up(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        standin.mute = True  # nothing more is answered, and nobody hangs up
        # Its successor, which the silence makes, is silent, too.
        await page.until("edge.state === 'reconnecting'")
        assert (await page.page.evaluate("() => window.__edge.problem.code")) == "link_lost"
        former = standin.guest
        standin.mute = False
        await page.until("edge.state === 'live'")
        assert standin.guest.query["replaces"] == former.id  # it may be there still
        await standin.until(lambda: former.replaced)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("full", "The server is full"),
        ("busy", "The server is too busy"),
        ("token_full", "No place left for you"),
        ("too_many", "Too many attempts"),
        ("not_ready", "The server is still starting"),
        ("draining", "The server is restarting"),
        (None, "The server can't be reached"),
    ],
)
async def test_a_server_that_takes_nobody_now_is_waited_for(
    standin: Standin, camera: Path, code: str | None, words: str
) -> None:
    standin.full_for = 2
    standin.full_code = code
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1)
        await page.page.get_by_text(f"{words}. Trying again").wait_for()
        await page.until("edge.state === 'live'")
        assert standin.full_for == 0


async def test_a_busy_server_says_what_would_help_and_a_tap_does_it(
    standin: Standin, camera: Path
) -> None:
    standin.room_from_ms = 250.0
    standin.retry_after = "600"
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1, slo=100)
        await page.page.get_by_text("Too busy for 100 ms. Trying again in").wait_for()
        # Another one that is too short is refused in its turn, at once.
        await page.page.get_by_label("150 ms").check(force=True)
        await page.page.get_by_text("Too busy for 150 ms").wait_for()
        await page.page.get_by_role("button", name="Try 250 ms").click()
        await page.until("edge.state === 'live'")
        assert standin.guest.query["slo_ms"] == "250"
        assert await page.page.get_by_label("250 ms").is_checked()
        assert await page.page.evaluate("() => localStorage.getItem('edge.slo_ms')") == "250"
        await page.page.locator("#toast-action").wait_for(state="hidden")
        assert len(standin.guests) == 1


async def test_a_token_is_asked_for(standin: Standin, camera: Path) -> None:
    standin.token = "s3cret"
    async with opened(standin.url, camera, scripts=[TRACKS], complaints=True) as page:
        await page.open(autostart=1)
        field = page.page.get_by_label("Access token")
        await field.wait_for()
        title = page.page.get_by_role("alert").get_by_role("heading")
        assert await title.inner_text() == "An access token is needed"
        assert await field.get_attribute("aria-invalid") == "false"
        assert await page.page.evaluate(ENDED)
        await field.fill("wrong")
        await field.press("Enter")
        await page.page.get_by_role("heading", name="That token is not accepted").wait_for()
        assert await field.get_attribute("aria-invalid") == "true"
        assert await page.page.evaluate("() => document.activeElement.id") == "token"
        assert "wrong" not in await page.page.locator("body").inner_text()
        await field.fill("s3cret")
        await page.page.get_by_role("button", name="Continue").click()
        await page.until("edge.state === 'live'")
        await page.page.get_by_role("button", name="Stop").click()
        await standin.until(lambda: standin.guest.ended)


async def test_a_token_may_come_with_the_address(standin: Standin, camera: Path) -> None:
    standin.token = "s3cret"
    async with opened(standin.url, camera) as page:
        await page.page.goto(f"{standin.url}?autostart=1#token=s3cret")
        await page.until("edge.state === 'live'")
        assert "s3cret" not in page.page.url


@pytest.mark.parametrize(
    ("refusal", "words"),
    [((400, "bad_sdp"), "The server refused this session"), ((500, "x"), "can't be reached")],
)
async def test_refusals_have_words(
    standin: Standin, camera: Path, refusal: tuple[int, str], words: str
) -> None:
    standin.refusal = refusal
    async with opened(standin.url, camera, complaints=True) as page:
        await page.open(autostart=1)
        await page.page.get_by_text(words).first.wait_for()


@pytest.mark.parametrize(
    ("code", "state", "words"),
    [
        ("replaced", "error", "Opened somewhere else"),
        ("evicted", "error", "The server ended the session"),
        ("ended", "error", "The server ended the session"),
        ("draining", "reconnecting", "The server is restarting"),
        ("timeout", "reconnecting", "Trying again"),
    ],
)
async def test_the_server_may_end_a_session(
    standin: Standin, camera: Path, code: str, state: str, words: str
) -> None:
    async with opened(standin.url, camera, scripts=[TRACKS]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        standin.guest.say("bye", code=code, message="for the test")
        await page.until(f"edge.state === '{state}'")
        assert await page.page.get_by_text(words).first.is_visible()
        assert await page.page.evaluate(ENDED) == (state == "error")


async def test_unknown_and_broken_messages_are_ignored(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        guest = standin.guest
        assert guest.peer is not None
        guest.say("news", text="of a later version")
        for text in ("{", "null", "[]", '"x"', '{"type": "pong"}', '{"type": "dropped", "rtp": 5}'):
            guest.peer.send("control", text)
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 5}")


async def test_flipping_keeps_the_session(standin: Standin) -> None:
    three = "--use-fake-device-for-media-stream=device-count=3,fps=15"
    # Chromium's fake device 1 gives a peer connection no frames.
    without_1 = """
      const list = MediaDevices.prototype.enumerateDevices;
      MediaDevices.prototype.enumerateDevices = async function () {
        return (await list.call(this)).filter((device) => device.label !== "fake_device_1");
      };"""
    async with opened(standin.url, flags=[three], scripts=[TRACKS, without_1]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 10")
        await page.page.get_by_role("button", name="Flip camera").click()
        await page.page.wait_for_function("() => window.tracks.length === 2")
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.counts.in_time > {before + 20}")
        states = await page.page.evaluate("() => window.tracks.map((t) => t.readyState)")
        labels = await page.page.evaluate("() => window.tracks.map((t) => t.label)")
        assert states == ["ended", "live"]
        assert labels[0] != labels[1]
        assert len(standin.guests) == 1
        snapshot = await page.snapshot()
        assert adds_up(snapshot["counts"])


async def test_a_flip_that_fails_goes_back_to_the_camera_before(
    standin: Standin, camera: Path
) -> None:
    busy_once = """
      const open = MediaDevices.prototype.getUserMedia;
      let calls = 0;
      MediaDevices.prototype.getUserMedia = async function (...wishes) {
        calls += 1;
        if (calls === 2) throw new DOMException("Could not start", "NotReadableError");
        return open.apply(this, wishes);
      };"""
    async with opened(standin.url, camera, scripts=[TRACKS, busy_once]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 10")
        await page.page.get_by_role("button", name="Flip camera").click()
        await page.page.get_by_text("The camera is in use. Switching back").wait_for()
        await page.page.wait_for_function("() => window.tracks.length === 2")
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 20}")
        labels = await page.page.evaluate("() => window.tracks.map((t) => t.label)")
        assert labels[0] == labels[1]
        assert len(standin.guests) == 1


@pytest.mark.parametrize("unusable", ["silent", "unsendable"])
async def test_a_second_camera_that_delivers_nothing_is_left_again(
    standin: Standin, unusable: str
) -> None:
    # Chromium's fake device 1 gives pictures that its encoder can't use; the other gives none.
    two = "--use-fake-device-for-media-stream=device-count=2,fps=15"
    silent = """
      const open = MediaDevices.prototype.getUserMedia;
      let calls = 0;
      MediaDevices.prototype.getUserMedia = async function (...wishes) {
        calls += 1;
        if (calls !== 2) return open.apply(this, wishes);
        const canvas = document.createElement("canvas");
        canvas.getContext("2d");
        return canvas.captureStream(0);
      };"""
    scripts = [TRACKS] if unusable == "unsendable" else [TRACKS, silent]
    async with opened(standin.url, flags=[two], scripts=scripts) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 10")
        await page.page.get_by_role("button", name="Flip camera").click()
        await page.page.get_by_text("That camera gives no picture. Switching back").wait_for()
        await page.page.wait_for_function(
            "(n) => window.tracks.length === n", arg=3 if unusable == "unsendable" else 2
        )
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 10}")
        labels = await page.page.evaluate("() => window.tracks.map((t) => t.label)")
        states = await page.page.evaluate("() => window.tracks.map((t) => t.readyState)")
        assert labels[-1] == labels[0]
        assert states == ["ended"] * (len(states) - 1) + ["live"]
        assert len(standin.guests) == 1
        assert adds_up((await page.snapshot())["counts"])


async def test_a_camera_can_be_chosen_and_stays_while_the_page_was_hidden(
    standin: Standin,
) -> None:
    three = "--use-fake-device-for-media-stream=device-count=3,fps=15"
    async with opened(standin.url, flags=[three], scripts=[TRACKS]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        menu = page.page.get_by_label("Camera", exact=True)
        await menu.select_option(label="fake_device_2")
        await page.page.wait_for_function("() => window.tracks.length === 2")
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.counts.in_time > {before + 5}")
        await page.page.evaluate(HIDE, True)
        await page.page.evaluate(HIDE, False)
        await page.page.wait_for_function("() => window.tracks.length === 3")
        labels = await page.page.evaluate("() => window.tracks.map((t) => t.label)")
        assert labels == ["fake_device_0", "fake_device_2", "fake_device_2"]
        # The next one gives pictures that can't be sent: the menu shows the one before again.
        await page.until("edge.state === 'live'")
        before = (await page.snapshot())["counts"]["in_time"]
        await page.until(f"edge.counts.in_time > {before + 5}")
        await menu.select_option(label="fake_device_1")
        await page.page.get_by_text("That camera gives no picture. Switching back").wait_for()
        await page.page.wait_for_function("() => window.tracks.length === 5")
        chosen = "() => document.querySelector('#camera').selectedOptions[0].label"
        await page.page.wait_for_function(f"() => ({chosen})() === 'fake_device_2'")


async def test_zoom_and_light_are_the_cameras_own(standin: Standin, camera: Path) -> None:
    # No fake device has them: the track says that it has, and keeps what it is asked.
    able = """
      const { getCapabilities, applyConstraints } = MediaStreamTrack.prototype;
      window.asked = [];
      MediaStreamTrack.prototype.getCapabilities = function () {
        return { ...getCapabilities.call(this), zoom: { min: 1, max: 8, step: 0.5 }, torch: true };
      };
      MediaStreamTrack.prototype.applyConstraints = async function (constraints) {
        if (constraints.advanced) window.asked.push(constraints.advanced[0]);
        else return applyConstraints.call(this, constraints);
      };"""
    async with opened(standin.url, camera, scripts=[able]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        assert not await page.page.get_by_label("Camera", exact=True).is_visible()  # there is one
        zoom = page.page.get_by_label("Zoom")
        await zoom.press("ArrowRight")
        assert await zoom.get_attribute("aria-valuetext") == "1.5×"
        light = page.page.get_by_role("button", name="Light")
        await light.click()
        assert await light.get_attribute("aria-pressed") == "true"
        await light.click()
        assert await page.page.evaluate("() => window.asked") == [
            {"zoom": 1.5},
            {"zoom": 1.5, "torch": True},
            {"zoom": 1.5, "torch": False},
        ]
    async with opened(standin.url, camera) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        for name in ("Zoom", "Light"):
            assert not await page.page.get_by_text(name, exact=True).is_visible()


async def test_a_link_lost_while_flipping_comes_back(standin: Standin, camera: Path) -> None:
    held = """
      const open = MediaDevices.prototype.getUserMedia;
      let calls = 0;
      MediaDevices.prototype.getUserMedia = async function (...wishes) {
        calls += 1;
        if (calls === 2) await new Promise((resolve) => { window.letOpen = resolve; });
        return open.apply(this, wishes);
      };"""
    async with opened(standin.url, camera, scripts=[TRACKS, held]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        await page.page.get_by_role("button", name="Flip camera").click()
        await page.page.wait_for_function("() => window.letOpen")
        standin.guest.say("bye", code="draining", message="for the test")
        await page.until("edge.snapshot().reconnects === 1")  # an attempt came due without a camera
        before = (await page.snapshot())["counts"]["in_time"]
        await page.page.evaluate("() => window.letOpen()")
        await page.until(f"edge.state === 'live' && edge.counts.in_time > {before + 3}")
        assert len(standin.guests) == 2
        assert adds_up((await page.snapshot())["counts"])


async def test_the_sample_video_can_stand_in_for_a_camera(standin: Standin) -> None:
    async with opened(standin.url, scripts=[TRACKS]) as page:
        await page.open(slo=5000)
        await page.page.get_by_role("button", name="Use the sample video").first.click()
        await page.until("edge.counts.in_time > 20 && edge.snapshot().drawn > 10")
        assert await page.page.evaluate("() => window.tracks.length") == 0  # no camera was asked
        assert {(seen.width, seen.height) for seen in standin.guest.frames} == {(608, 258)}
        await page.page.get_by_role("button", name="Stop").click()
        await standin.until(lambda: standin.guest.ended)


async def test_a_refused_camera_is_explained(standin: Standin) -> None:
    async with opened(standin.url, flags=["--use-fake-ui-for-media-stream=deny"]) as page:
        await page.open()
        await page.page.get_by_role("button", name="Start camera").first.click()
        await page.page.get_by_role("heading", name="The camera was not allowed").wait_for()
        await page.page.get_by_role("button", name="Use the sample video").last.click()
        await page.until("edge.state === 'live'")


async def test_a_missing_camera_is_explained(standin: Standin) -> None:
    none = "--use-fake-device-for-media-stream=device-count=0"
    async with opened(standin.url, flags=[none]) as page:
        await page.open(autostart=1)
        await page.page.get_by_role("heading", name="No camera found").wait_for()


async def test_a_camera_in_use_is_explained(standin: Standin) -> None:
    # No fake device can be busy: the browser's own error is raised in its place.
    busy = """
      MediaDevices.prototype.getUserMedia = async () => {
        throw new DOMException("Could not start video source", "NotReadableError");
      };"""
    async with opened(standin.url, scripts=[busy]) as page:
        await page.open(autostart=1)
        await page.page.get_by_role("heading", name="The camera is in use").wait_for()
        assert standin.guests == []


async def test_a_camera_that_is_pulled_out_is_explained(standin: Standin, camera: Path) -> None:
    async with opened(standin.url, camera, scripts=[TRACKS]) as page:
        await page.open(autostart=1, slo=5000)
        await page.until("edge.counts.in_time > 3")
        await page.page.evaluate("() => window.tracks[0].dispatchEvent(new Event('ended'))")
        await page.page.get_by_role("heading", name="The camera did not start").wait_for()
        await standin.until(lambda: standin.guest.ended)


async def test_an_insecure_address_is_explained(standin: Standin) -> None:
    flags = ["--host-resolver-rules=MAP edge.test 127.0.0.1"]
    origin = f"http://edge.test:{standin.port}/"
    async with opened(origin, flags=flags) as page:
        await page.open(autostart=1)
        await page.page.get_by_role("heading", name="This page needs a secure address").wait_for()


async def test_starting_and_stopping_in_quick_turns_leaves_nothing(
    standin: Standin, camera: Path
) -> None:
    async with opened(standin.url, camera, scripts=[TRACKS]) as page:
        await page.open()
        await page.page.evaluate(
            """async () => {
              const edge = window.__edge;
              for (let i = 0; i < 5; i += 1) {
                edge.start("camera");
                await new Promise((resolve) => setTimeout(resolve, 60 * i));
                edge.stop();
              }
            }"""
        )
        await page.page.wait_for_function(
            "() => window.tracks.every((t) => t.readyState === 'ended')"
        )
        assert (await page.snapshot())["state"] == "idle"
        await standin.until(lambda: all(guest.ended for guest in standin.guests))
        await asyncio.wait_for(page.page.evaluate("() => window.__edge.start('camera')"), 30)
        await page.until("edge.counts.in_time > 3")
        assert sum(not guest.ended for guest in standin.guests) == 1
