"""What a person at the terminal sees: the address to open, progress, tables."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import segno
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

from edge.assets.store import cached, fetch
from edge.models.weights import WEIGHTS

if TYPE_CHECKING:
    from edge.server import Server


def progress(text: str) -> None:
    """One line of progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def announce(server: Server) -> None:
    """Where to point a browser or a phone. The first line is `Serving at URL`, for programs."""
    print(f"Serving at {server.url}", flush=True)
    for url in server.lan_urls:
        print(f"On a phone in the same network: {url}", flush=True)
    if server.lan_urls and sys.stdout.isatty():
        print(qr_code(server.lan_urls[0]))
    if server.lan_urls and not server.settings.http and server.settings.cert is None:
        print(
            "The phone will warn of an unknown certificate: continue anyway, or install"
            f" {server.lan_urls[0]}ca.crt once as a trusted CA.",
            flush=True,
        )
    if server.lan_urls and server.settings.http:
        print("Over plain HTTP, browsers open the camera on localhost only.", flush=True)


def qr_code(text: str) -> str:
    """`text` as a QR code in half-block characters."""
    out = io.StringIO()
    segno.make(text, error="m").terminal(out, compact=True)
    return out.getvalue()


def list_weights() -> None:
    """Known weight files: size, hash, sources, and whether they are cached."""
    for name, asset in WEIGHTS.items():
        path = cached(asset)
        print(f"{name}")
        print(f"  file     {asset.name}, {asset.size:,} bytes")
        print(f"  SHA-256  {asset.sha256}")
        print(f"  cached   {path or 'no'}")
        for source in asset.sources:
            print(f"  source   {source}")


def fetch_weights(name: str) -> int:
    """Fetch the weights called `name` with a progress bar; the exit status."""
    asset = WEIGHTS.get(name)
    if asset is None:
        print(f"error: no weights are called {name!r}: {', '.join(WEIGHTS)}", file=sys.stderr)
        return 2
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=asset.size)
        path = fetch(
            asset, lambda done, total: bar.update(task, completed=done, total=total or None)
        )
    print(path)
    return 0
