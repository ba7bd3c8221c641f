"""A webhook's receiver in a process of its own: `python -m ... PORT` writes each batch on a line.

A batch is written before it is answered, so that whatever was taken has been written.
"""

from __future__ import annotations

import sys

from aiohttp import web


async def _take(request: web.Request) -> web.Response:
    body = await request.read()
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.buffer.flush()
    return web.Response()


def main() -> None:
    app = web.Application(client_max_size=10_000_000)
    app.router.add_post("/", _take)
    web.run_app(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        access_log=None,
        print=lambda *_: print("{}", flush=True),  # it listens
    )


if __name__ == "__main__":
    main()
