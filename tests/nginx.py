"""An nginx of the test's own, where it is installed."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.ipc.parent_watch import terminate_with_parent
from tests.coturn import drain, listening
from tests.free_port import free_port

PROGRAM = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
nginx = pytest.mark.skipif(PROGRAM is None, reason="nginx is missing: install `nginx`")

# Everything that is not here is nginx's default.
_CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    gzip on;
    gzip_types *;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {server}
    }}
}}
"""


@asynccontextmanager
async def proxying(folder: Path, server: str) -> AsyncIterator[str]:
    """nginx on loopback with `server`, the text of its server block; yields its URL."""
    assert PROGRAM is not None
    port = free_port()
    file = folder / "nginx.conf"
    file.write_text(_CONFIGURATION.format(folder=folder, port=port, server=server))
    process = await asyncio.create_subprocess_exec(
        *(PROGRAM, "-c", str(file), "-p", str(folder), "-e", str(folder / "error.log")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=terminate_with_parent,
    )
    assert process.stdout is not None
    reading = asyncio.create_task(drain(process.stdout))
    try:
        await listening("127.0.0.1", port)
        yield f"http://localhost:{port}"
    finally:
        process.terminate()
        await process.wait()
        await reading
