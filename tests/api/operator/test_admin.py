"""The operator's API, page and event stream, over a real server."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.api.operator.dashboard import Dashboard
from edge.session.session import Session
from tests.api.events import dashboard_states, metric
from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving

ROOT = Path(__file__).parents[3]
PICTURES = noise(320, 192)


async def test_a_session_is_seen_with_its_times_and_counts() -> None:
    async with (
        serving() as server,
        publishing(base(server), PICTURES, query={"label": "gate"}) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(5)
        async with http.get(f"{base(server)}/api/sessions") as it:
            [listed] = (await it.json())["sessions"]
        name = me.location.rsplit("/", 1)[1][:6]
        assert (listed["name"], listed["label"], listed["state"]) == (name, "gate", "live")
        assert me.location.rsplit("/", 1)[1] not in json.dumps(listed)  # its publisher's secret
        assert listed["device"] == 0
        assert listed["size"] == [320, 192]
        assert listed["fps"] > 0
        outcomes = listed["outcomes"]
        assert outcomes.get("in_time", 0) + outcomes.get("answered_late", 0) >= 5
        assert set(listed["legs"]) == {"network", "decode", "queue", "inference", "back"}
        assert listed["latency"]["p50_ms"] <= listed["latency"]["p99_ms"]
        # Medians of parts do not add up to the whole's on a busy machine; these bounds always hold.
        legs = listed["legs"].values()
        assert listed["latency"]["p50_ms"] >= max(leg["p50_ms"] for leg in legs) / 2
        assert listed["latency"]["p50_ms"] <= sum(leg["p99_ms"] for leg in legs)
        async with http.get(f"{base(server)}/api/sessions/{name}") as it:
            assert (await it.json())["name"] == name
        async with http.get(f"{base(server)}/api/sessions/nobody") as it:
            assert it.status == 404
            assert (await error_of(it))["code"] == "no_session"


async def test_the_stream_tells_the_past_then_each_second() -> None:
    async with (
        serving() as server,
        publishing(base(server), PICTURES) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(1)
        async for message in dashboard_states(http, base(server)):
            if message["type"] == "state" and message["sessions"]:
                break  # so that there is a past
        messages = []
        async for message in dashboard_states(http, base(server)):
            messages.append(message)
            if len(messages) == 4:
                break
    assert [each["type"] for each in messages] == ["history", "state", "state", "state"]
    past, *states = messages
    assert past["fleet"]["t"][-1] == states[0]["point"]["t"][0]
    times = [state["at"] for state in states]
    assert times == sorted(set(times))
    latest = states[-1]
    assert latest["devices"][0]["utilisation"] > 0
    assert latest["devices"][0]["mean_batch"] >= 1
    assert latest["plan"]["served"] == 1
    assert "1 session promised service on 1 device" in latest["plan"]["words"]
    [slot] = latest["devices"][0]["plan"]
    assert slot["sessions"] == [latest["sessions"][0]["name"]]
    assert sum(latest["sessions"][0]["recent"].values()) > 0


async def test_an_operator_reads_the_results_of_a_publisher_found_by_its_label() -> None:
    query = {"label": "gate"}
    async with (
        serving() as server,
        publishing(base(server), PICTURES, query=query, channels=False) as me,
        aiohttp.ClientSession() as http,
    ):
        async with http.get(f"{base(server)}/api/sessions") as it:
            sessions = (await it.json())["sessions"]
        [name] = [each["name"] for each in sessions if each["label"] == "gate"]
        url = f"{base(server)}/api/sessions/{name}/results"
        async with asyncio.timeout(60), http.get(url) as stream:
            assert stream.content_type == "text/event-stream"
            async for line in stream.content:
                assert me.location.rsplit("/", 1)[1] not in line.decode()
                if line.startswith(b"data: ") and json.loads(line[6:])["type"] == "detections":
                    break
        async with http.get(f"{base(server)}/api/sessions/nobody/results") as it:
            assert it.status == 404


async def test_pages_that_watch_are_bounded() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        open_streams = [await http.get(f"{base(server)}/admin/events") for _ in range(16)]
        async with http.get(f"{base(server)}/admin/events") as it:
            assert it.status == 429
        for stream in open_streams:
            stream.close()


async def test_the_past_is_written_once_a_refresh_for_all_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ten minutes of it take 11 ms of the event loop: 40 pages at once took half a second."""
    written: list[float] = []

    def history_message(self: Dashboard) -> dict[str, Any]:
        written.append(self.refreshed_s)
        return {"type": "history", "fleet": {}, "sessions": {}}

    monkeypatch.setattr(Dashboard, "history_message", history_message)
    async with serving() as server, aiohttp.ClientSession() as http:
        streams = await asyncio.gather(
            *(http.get(f"{base(server)}/admin/events") for _ in range(40))
        )
        assert sorted({stream.status for stream in streams}) == [200, 429]
        for stream in streams:
            stream.close()
    assert len(written) == len(set(written))


async def _act(http: aiohttp.ClientSession, url: str, name: str, **action: Any) -> Any:
    async with http.post(f"{url}/api/sessions/{name}/actions", json=action) as it:
        return it.status, await it.json()


async def test_an_operator_changes_an_objective_pins_and_ends() -> None:
    async with (
        serving() as server,
        publishing(base(server), PICTURES) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(2)
        [session] = server.sessions
        assert isinstance(session, Session)
        url, name = base(server), session.name
        assert await _act(http, url, name, kind="slo", slo_ms=250.0) == (
            200,
            {"done": {"kind": "slo", "slo_ms": 250.0}},
        )
        assert session.slo_ms == 250.0
        await me.wait_for(lambda it: it["type"] == "welcome" and it["slo_ms"] == 250.0)

        status, _ = await _act(http, url, name, kind="variant", variant="yolov4-tiny-160")
        assert status == 200
        count = len(me.messages)
        await me.wait_for(
            lambda it: it.get("variant") == "yolov4-tiny-160" and it["type"] == "detections"
        )
        await me.wait_for_answers(2)
        assert session.view(0.0).reason == "pinned by the operator"

        status, _ = await _act(http, url, name, kind="size", edge=192)
        assert status == 200
        await me.wait_for(lambda it: it.get("max_edge") == 192)
        assert len(me.messages) > count
        status, _ = await _act(http, url, name, kind="size", edge=None)
        await _act(http, url, name, kind="variant", variant=None)
        await me.wait_for(lambda it: it["type"] == "detections" and it["variant"] > "yolov4-tiny-2")

        assert (await _act(http, url, name, kind="end"))[0] == 200
        bye = await me.wait_for_type("bye")
        assert (bye["code"], bye["message"]) == ("ended", "ended by the operator")
        assert (await _act(http, url, name, kind="end"))[0] == 404


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ({"kind": "slo", "slo_ms": 19}, "slo_ms"),
        ({"kind": "slo", "slo_ms": "fast"}, "slo_ms"),
        ({"kind": "size", "edge": 200}, "edge"),
        ({"kind": "variant", "variant": "yolov9"}, "variant"),
        ({"kind": "variant", "variant": "yolov4-608"}, "variant"),
        ({"kind": "explode"}, "kind"),
        ({}, "kind"),
        ({"kind": "end", "really": True}, "really"),
    ],
)
async def test_an_action_that_cannot_be_done_is_refused_in_words(
    action: dict[str, Any], words: str
) -> None:
    async with (
        serving() as server,
        publishing(base(server), PICTURES) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(1)
        [session] = server.sessions
        status, body = await _act(http, base(server), session.name, **action)
        assert status == 400
        assert words in body["error"]["message"]
        async with http.post(
            f"{base(server)}/api/sessions/{session.name}/actions", data='{"kind": "end"}'
        ) as it:
            assert it.status == 415  # as a form of another site could send it
        assert len(server.sessions) == 1


async def test_draining_refuses_newcomers_only() -> None:
    async with (
        serving() as server,
        publishing(base(server), PICTURES) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(1)
        async with http.get(f"{base(server)}/readyz") as it:
            assert it.status == 200
        async with http.post(f"{base(server)}/api/drain", json={"on": True}) as it:
            assert await it.json() == {"draining": True}
        async with http.get(f"{base(server)}/readyz") as it:
            assert (it.status, await it.json()) == (503, {"status": "draining"})
        sdp = {"Content-Type": "application/sdp"}
        async with http.post(f"{base(server)}/whip", data="v=0", headers=sdp) as it:
            assert it.status == 503
        await me.wait_for_answers(2)
        async with http.post(f"{base(server)}/api/drain", json={"on": False}) as it:
            assert await it.json() == {"draining": False}
        async with publishing(base(server), PICTURES) as other:
            await other.wait_for_answers(1)


async def test_pictures_are_shown_only_where_switched_on() -> None:
    for on in (False, True):
        async with (
            serving(admin_pictures=on) as server,
            publishing(base(server), PICTURES) as me,
            aiohttp.ClientSession() as http,
        ):
            await me.wait_for_answers(2)
            [session] = server.sessions
            async with http.get(f"{base(server)}/api/sessions/{session.name}/picture") as it:
                body = await it.json()
                assert it.status == (200 if on else 403)
            if on:
                assert (body["width"], body["height"]) == (320, 192)
                assert body["boxes"]
                assert body["jpeg"].startswith("/9j/")  # a JPEG's first bytes


async def test_sessions_of_ingest_processes_are_seen_and_changed() -> None:
    async with (
        serving(ingest=2, admin_pictures=True) as server,
        publishing(base(server), PICTURES, query={"label": "far"}) as me,
        aiohttp.ClientSession() as http,
    ):
        await me.wait_for_answers(5)
        async for message in dashboard_states(http, base(server)):
            if message["type"] == "state" and message["sessions"][0]["recent"]:
                break
        [listed] = message["sessions"]
        assert listed["state"] == "live"
        assert listed["legs"]["inference"]["p50_ms"] > 0
        assert (await _act(http, base(server), listed["name"], kind="slo", slo_ms=300.0))[0] == 200
        await me.wait_for(lambda it: it["type"] == "welcome" and it["slo_ms"] == 300.0)
        async with http.get(f"{base(server)}/api/sessions/{listed['name']}/picture") as it:
            assert (await it.json())["width"] == 320
        async for _ in dashboard_states(
            http, base(server)
        ):  # what they counted comes once a second
            frames = await metric(http, base(server), "edge_frames")
            if frames["in_time"] >= 5:
                break


async def test_the_page_loads_nothing_but_its_own() -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        async with http.get(f"{base(server)}/admin") as it:
            assert it.status == 200
            html = await it.text()
            assert "default-src 'self'" in it.headers["Content-Security-Policy"]
            assert it.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert "style=" not in html
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            async with http.get(base(server) + path) as it:
                assert it.status == 200, path
    for vendored in ("uplot", "uqr"):
        licence = ROOT / "web" / "static" / "vendor" / vendored / "LICENSE"
        assert "MIT" in licence.read_text()


async def test_a_stranger_sees_nothing() -> None:
    async with serving(admin_loopback=False) as server, aiohttp.ClientSession() as http:
        for path in ("/api/sessions", "/metrics", "/admin/events", "/api/openapi.yaml"):
            async with http.get(base(server) + path) as it:
                assert it.status == 401, path
