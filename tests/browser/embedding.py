"""The examples of docs/embed/examples, each served from an origin of its own."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlencode

from aiohttp import web
from aiohttp.typedefs import Handler

from tests import npm
from tests.npm import ROOT

EXAMPLES = ROOT / "docs/embed/examples"


@asynccontextmanager
async def hosting(folder: Path, policy: str = "") -> AsyncIterator[str]:
    """A folder's files on a port of their own, with a Content Security Policy.

    Yields the URL of its index.html.
    """

    @web.middleware
    async def headers(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if policy:
            response.headers["Content-Security-Policy"] = policy
        return response

    async def icon(request: web.Request) -> web.Response:
        return web.Response(status=204)  # browsers ask for one, and complain if there is none

    app = web.Application(middlewares=[headers])
    app.add_routes([web.get("/favicon.ico", icon), web.static("/", folder)])
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/index.html"
    finally:
        await runner.cleanup()


def query(server: str, token: str = "") -> str:
    """What the examples take from their address."""
    return urlencode({"server": server.rstrip("/"), "token": token})


def react_app(folder: Path) -> Path:
    """The React example, with the npm package as `npm pack` makes it, built by Vite; its files.

    Raises NpmMissingError where the packages cannot be had.
    """
    example = EXAMPLES / "react"
    fetched = npm.installed(example) / "node_modules"
    app = folder / "app"
    (app / "node_modules").mkdir(parents=True)
    for file in example.iterdir():
        if file.is_file():
            (app / file.name).write_bytes(file.read_bytes())
    for package in fetched.iterdir():
        if package.name != "edge-client":
            (app / "node_modules" / package.name).symlink_to(package)
    own = app / "node_modules" / "edge-client"
    own.mkdir()
    _run("npm", "pack", "--pack-destination", folder, cwd=ROOT)
    [packed] = folder.glob("edge-client-*.tgz")
    _run("tar", "-xzf", packed, "--strip-components=1", "-C", own, cwd=folder)
    _run(fetched / ".bin" / "tsc", "--project", ".", cwd=app)
    _run("node", fetched / "vite" / "bin" / "vite.js", "build", cwd=app)
    return app / "dist"


def _run(*command: str | Path, cwd: Path) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
