"""Whatever a new session is refused for, its reason is logged, counted and told to the operator."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from edge.server import Server
from edge.session.registry.session_registry import SessionRegistry
from tests.api.events import metric
from tests.publisher import publishing
from tests.serving import base, error_of, noise, serving

SDP = {"Content-Type": "application/sdp"}
ADMIN = {"Authorization": "Bearer correct horse"}
HUSH = {"Authorization": "Bearer hush"}


def _fail(*_: object) -> None:
    raise ZeroDivisionError


def _post(**options: Any) -> dict[str, Any]:
    return {
        "data": "v=0",
        "params": {"label": "gate"},
        **options,
        "headers": {**SDP, **options.get("headers", {})},
    }


@pytest.mark.parametrize(
    ("reason", "settings", "prepare", "request_options"),
    [
        ("unauthorized", {"token": "hush"}, None, _post()),
        ("unauthorized", {"token": "hush"}, None, _post(headers={"Authorization": "Bearer x"})),
        ("media_type", {}, None, _post(headers={"Content-Type": "text/plain"})),
        ("bad_query", {}, None, _post(params={"label": "gate", "slo_ms": "1"})),
        ("bad_query", {}, None, _post(params={"label": "gate", "replaces": "nobody"})),
        ("not_text", {}, None, _post(data=b"\xff\xff")),
        ("too_large", {}, None, _post(data=b"v=0" + 70_000 * b"x")),
        ("bad_body", {}, None, _post(headers={"Content-Encoding": "gzip"})),
        ("no_video", {}, None, _post()),
        ("draining", {}, lambda server: server.sessions.drain(), _post()),
        (
            "internal_server_error",
            {},
            lambda server: setattr(server.sessions, "open", _fail),
            _post(),
        ),
    ],
)
async def test_a_refused_offer_is_told_with_its_reason(
    reason: str,
    settings: dict[str, Any],
    prepare: Callable[[Server], None] | None,
    request_options: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "edge.observability.refusals")
    async with (
        serving(admin_token="correct horse", **settings) as server,
        aiohttp.ClientSession(headers=ADMIN) as http,
        aiohttp.ClientSession() as publisher,
    ):
        if prepare is not None:
            prepare(server)
        async with publisher.post(f"{base(server)}/whip", **request_options) as it:
            assert it.status >= 400
            if it.status < 500 or reason == "draining":
                assert (await error_of(it))["code"] == reason
        assert await metric(http, base(server), "edge_offers_refused") == {reason: 1.0}
        async with http.get(f"{base(server)}/api/refusals") as it:
            told = await it.json()
    assert told["counts"] == {reason: 1}
    [latest] = told["latest"]
    assert (latest["reason"], latest["label"], latest["address"]) == (reason, "gate", "127.0.0.1")
    assert latest["message"]
    name = "edge.observability.refusals"
    [line] = [each.__dict__["event"] for each in caplog.records if each.name == name]
    assert (line["event"], line["reason"], line["label"]) == ("session_refused", reason, "gate")


async def test_limits_are_told_with_the_token_and_the_address() -> None:
    settings = {
        "tokens": [{"name": "yard", "token": "hush", "max_sessions": 1}],
        "trusted_proxies": ["127.0.0.1"],
        "admin_token": "correct horse",
        "max_posts_per_minute": 2,
    }
    mine = {**HUSH, "X-Forwarded-For": "198.51.100.1"}
    async with (
        serving(**settings) as server,
        publishing(base(server), noise(320, 192), headers=mine) as me,
        aiohttp.ClientSession(headers={**ADMIN, "X-Forwarded-For": "198.51.100.2"}) as http,
    ):
        await me.wait_for_answers(1)
        for _ in range(3):
            async with http.post(f"{base(server)}/whip", data="v=0", headers={**SDP, **mine}):
                pass
        assert (await metric(http, base(server), "edge_offers_refused"))["too_many"] == 2.0
        async with http.get(f"{base(server)}/api/refusals") as it:
            latest = (await it.json())["latest"]
    assert [each["reason"] for each in latest] == ["too_many", "too_many", "token_full"]
    assert {each["token"] for each in latest} == {"yard"}
    assert {each["address"] for each in latest} == {"198.51.100.1"}


async def test_an_offer_beyond_its_address_s_rate_is_told_once() -> None:
    """It never comes to the endpoint: what refuses it stands before all routes."""
    async with (
        serving(
            max_requests_per_s=10,
            max_posts_per_minute=100_000,
            trusted_proxies=["127.0.0.1"],
            admin_token="correct horse",
        ) as server,
        aiohttp.ClientSession() as http,
    ):
        flood = {**SDP, "X-Forwarded-For": "198.51.100.1"}
        offers: list[int] = []
        while offers.count(429) < 3 and len(offers) < 2_000:
            async with http.post(f"{base(server)}/whip", data="v=0", headers=flood) as it:
                offers.append(it.status)
        for path in ("nothing", "whip/x"):  # these are no offers
            async with http.post(f"{base(server)}/{path}", data="v=0", headers=flood) as it:
                assert it.status >= 400
        headers = {**ADMIN, "X-Forwarded-For": "198.51.100.2"}
        async with http.get(f"{base(server)}/api/refusals", headers=headers) as it:
            told = await it.json()
    assert told["counts"] == {"no_video": offers.count(400), "too_many": 3}
    assert "requests a second from this address" in told["latest"][0]["message"]


async def test_a_session_refused_as_it_connects_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its offer was accepted, and meanwhile the server has filled up."""
    async with serving(max_sessions=1) as server, aiohttp.ClientSession() as http:
        monkeypatch.setattr(SessionRegistry, "refusal", lambda *_: None)  # of offers
        async with publishing(base(server), noise(320, 192)) as first:
            await first.wait_for_answers(1)
            async with publishing(base(server), noise(320, 192), query={"label": "late"}) as second:
                name = second.location.rsplit("/", 1)[1][:6]
                bye = await second.wait_for_type("bye")
                async with http.get(f"{base(server)}/api/refusals") as it:
                    told = await it.json()
    assert bye["code"] == "full"
    assert told["counts"] == {"full": 1}
    [latest] = told["latest"]
    assert (latest["session"], latest["label"]) == (name, "late")
