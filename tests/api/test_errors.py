"""Every refusal is the same JSON, the framework's own included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from edge.api.errors import json_error, json_errors
from tests.serving import error_of


@asynccontextmanager
async def _client() -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async def echo(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def refuse(request: web.Request) -> web.Response:
        return json_error(HTTPStatus.CONFLICT, "taken", "it is taken", {"Retry-After": "3"})

    async def redirect(request: web.Request) -> web.Response:
        raise web.HTTPSeeOther("/elsewhere")

    app = web.Application(middlewares=[json_errors], client_max_size=100)
    app.router.add_post("/echo", echo)
    app.router.add_get("/refuse", refuse)
    app.router.add_get("/redirect", redirect)
    async with TestClient(TestServer(app), auto_decompress=False) as client:
        yield client


async def test_a_refusal_has_code_message_and_headers() -> None:
    async with _client() as client, client.get("/refuse") as response:
        assert response.status == 409
        assert response.headers["Retry-After"] == "3"
        assert await error_of(response) == {"code": "taken", "message": "it is taken"}
        assert "Access-Control-Allow-Origin" not in response.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/echo", 405, "method_not_allowed"),
        ("POST", "/echo", 413, None),
    ],
)
async def test_the_framework_s_errors_are_json_too(
    method: str, path: str, status: int, code: str | None
) -> None:
    async with (
        _client() as client,
        client.request(method, path, data=b"x" * 200) as response,
    ):
        assert response.status == status
        error = await error_of(response)
        assert code is None or error["code"] == code
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        if status == 405:
            assert response.headers["Allow"] == "POST"


async def test_a_body_that_cannot_be_unpacked_is_the_client_s_error() -> None:
    headers = {"Content-Encoding": "gzip"}
    async with (
        _client() as client,
        client.post("/echo", data=b"no gzip", headers=headers) as response,
    ):
        assert response.status == 400
        assert (await error_of(response))["code"] == "bad_body"


async def test_redirects_pass() -> None:
    async with _client() as client, client.get("/redirect", allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (303, "/elsewhere")
