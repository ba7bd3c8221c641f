"""The publisher's page, its files and its security headers."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.api.errors import json_errors
from edge.api.pages import Pages, page_settings, security_headers
from edge.config import ConfigError, IceServer, load
from edge.models.registry.model import Model
from edge.models.registry.registry import ModelRegistry
from tests.served_model import model
from tests.serving import base, serving

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def _pages(ca: Path | None = None, **settings: Any) -> AsyncIterator[Client]:
    loaded = load(**settings)
    app = web.Application(middlewares=[security_headers(loaded.frame_ancestors), json_errors])
    app.add_routes(Pages(lambda: page_settings(loaded, ModelRegistry.of(loaded)), ca).routes())
    async with TestClient(TestServer(app)) as client:
        yield client


async def _settings_of_page(client: Client) -> dict[str, Any]:
    async with client.get("/") as response:
        match = re.search(r"<script[^>]*json[^>]*>(.*?)</script>", await response.text(), re.S)
        assert match is not None
        return dict(json.loads(match[1]))


async def test_the_page_loads_nothing_of_another_origin() -> None:
    async with _pages() as client:
        async with client.get("/") as response:
            assert response.status == 200
            html = await response.text()
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
            assert "Cross-Origin-Opener-Policy" not in response.headers  # warned of over http
        for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            async with client.get(path) as response:
                assert response.status == 200, path


async def test_the_page_has_the_settings_that_are_public() -> None:
    servers = [
        IceServer(urls=["stun:192.0.2.1"]),
        IceServer(urls=["turn:192.0.2.2"], username="me", credential="hush"),  # type: ignore[arg-type]
    ]
    async with _pages(slo_ms=120, token="secret", ice_servers=servers) as client:
        settings = await _settings_of_page(client)
    assert settings["slo_ms"] == 120
    assert 120 in settings["slo_choices"]
    assert settings["whip"] == "/whip"
    assert settings["token_required"] is True
    assert settings["ice_servers"] == [{"urls": ["stun:192.0.2.1"]}]
    assert settings["ask_ice"] is True
    assert "secret" not in json.dumps(settings)
    assert "hush" not in json.dumps(settings)


async def test_the_authority_s_certificate_is_there_where_it_is_ours(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_text("certificate")
    async with _pages(ca) as client, client.get("/ca.crt") as response:
        assert await response.text() == "certificate"
        assert response.content_type == "application/x-x509-ca-cert"
    async with _pages() as client, client.get("/ca.crt") as response:
        assert response.status == 404


async def test_a_sample_that_has_not_been_fetched_is_not_offered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.api.pages.cached", lambda asset: None)
    async with _pages() as client:
        assert (await _settings_of_page(client))["sample"] is None
        async with client.get("/sample.webm") as response:
            assert response.status == 404


async def test_files_outside_the_static_folder_are_not_served() -> None:
    async with _pages() as client, client.get("/static/../templates/page.html") as response:
        assert response.status == 404


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 3000, "a" * 5000, "edge-client.js/a", "a%00b"])
async def test_a_name_that_no_file_can_have_is_not_found(name: str) -> None:
    async with _pages() as client, client.get(f"/static/{name}") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    ("models", "choices"),
    [
        ([model("a")], [("a", "a")]),
        (
            [model("a"), model("b", family="f"), model("c", family="f")],
            [("a", "a"), ("b", "b"), ("c", "c"), ("f", "Server chooses (f)")],
        ),
        (  # a family of a model's name can't be asked for by name
            [model("a"), model("b", family="a"), model("c")],
            [("", "Server chooses"), ("a", "a"), ("b", "b"), ("c", "c")],
        ),
    ],
)
async def test_the_page_has_the_models_that_it_may_ask_for(
    models: list[Model], choices: list[tuple[str, str]]
) -> None:
    models[-1] = replace(models[-1], score_threshold=0.1)
    app = web.Application()
    public = page_settings(load(), ModelRegistry(models))
    app.add_routes(Pages(lambda: public, None).routes())
    async with TestClient(TestServer(app)) as client:
        found = (await _settings_of_page(client))["models"]
    assert [(each["name"], each["label"]) for each in found] == choices
    least = {each["name"]: each["score_threshold"] for each in found}
    assert least[models[-1].name] == 0.1
    assert least.get("f", 0.1) == 0.1


async def test_the_client_is_for_pages_of_every_origin() -> None:
    async with _pages() as client:
        for name, kind in (
            ("edge-client.js", "text/javascript"),
            ("edge-client.d.ts", "text/plain"),
        ):
            async with client.get(
                f"/{name}", headers={"Origin": "https://app.example"}
            ) as response:
                assert response.status == 200
                assert response.content_type == kind
                assert response.headers["Access-Control-Allow-Origin"] == "*"
                tag = response.headers["ETag"]
                assert "connect" in await response.text()
            async with client.get(f"/{name}", headers={"If-None-Match": tag}) as response:
                assert response.status == 304
                assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ([], "'none'"),
        (["https://app.example/", "http://*.lan:8000"], "https://app.example http://*.lan:8000"),
        ("'self', https://[::1]:*", "'self' https://[::1]:*"),
        ("*", "*"),
    ],
)
async def test_pages_that_may_show_the_page_in_a_frame(setting: Any, words: str) -> None:
    async with _pages(frame_ancestors=setting) as client, client.get("/") as response:
        policy = response.headers["Content-Security-Policy"]
        assert policy.endswith(f"frame-ancestors {words}")
        async with client.get("/admin") as other:  # whatever is there
            assert other.headers.get("Content-Security-Policy", "'none'").endswith("'none'")


@pytest.mark.parametrize(
    "source",
    ["app.example", "https://a b", "https://a;script-src *", "https://a/path", "data:", ""],
)
def test_a_frame_ancestor_is_an_origin(source: str) -> None:
    with pytest.raises(ConfigError, match="frame.ancestors"):
        load(frame_ancestors=[source])


@pytest.mark.parametrize(
    ("headers", "told"),
    [({}, True), ({"X-Forwarded-For": "192.0.2.9"}, False), ({"Host": "edge.example"}, False)],
)
async def test_the_address_in_the_network_is_told_on_this_machine_alone(
    headers: dict[str, str], told: bool
) -> None:
    async with serving() as server, aiohttp.ClientSession() as http:
        server._http.lan_urls = ["https://192.0.2.7:8443/"]
        async with http.get(f"{base(server)}/", headers=headers) as it:
            assert ("192.0.2.7" in await it.text()) == told
