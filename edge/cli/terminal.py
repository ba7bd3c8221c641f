"""Output for the person at the terminal: the address to open, its QR code, progress."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import segno

if TYPE_CHECKING:
    from edge.server import Server


def progress(text: str) -> None:
    """Print one line of progress on standard error."""
    print(text, file=sys.stderr, flush=True)


def announce(server: Server) -> None:
    """Print the addresses to open. The first line is `Serving at URL`, for programs."""
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
