"""The TLS of sinks: the other side's certificate is always verified."""

from __future__ import annotations

import ssl
from pathlib import Path

from edge.sinks.writer import SinkError


def tls_context(ca: Path | None) -> ssl.SSLContext:
    """Trusts the authorities of `ca`, a PEM file, or those of the system. SinkError names `ca`."""
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "no certificates in PEM"
        raise SinkError(f"ca: {ca}: {reason}") from error
