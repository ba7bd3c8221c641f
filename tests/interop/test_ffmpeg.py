"""FFmpeg's WHIP muxer publishes: media right after the handshake, in which it is the DTLS server.

One key frame alone is sent, the first: a frame is answered only if that one was kept.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from tests.interop.certificates import p256, rsa_key, write_certificate
from tests.interop.whip import FFMPEG, FRAMES, publish

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        "whip" not in av.formats_available, reason="PyAV's FFmpeg has no WHIP muxer"
    ),
]


@pytest.mark.parametrize(
    ("key", "options"),
    [
        (p256, ""),
        (p256, "--profile main"),
        (p256, "--profile high"),
        (p256, "--option whip_flags=dtls_active"),
        (rsa_key, ""),
    ],
)
async def test_every_frame_of_it_has_one_outcome(
    tmp_path: Path, key: Callable[[], Any], options: str
) -> None:
    certificate = write_certificate(tmp_path, key())
    published = await publish(FFMPEG, "--frames", str(FRAMES), *certificate, *options.split())
    assert published.sent == FRAMES
    published.check()


@pytest.mark.parametrize("role", ["passive", "active"])
async def test_a_certificate_of_its_own_making_connects_or_is_refused_by_name(role: str) -> None:
    """FFmpeg built with GnuTLS makes one on P-224, which OpenSSL does not take in TLS."""
    options = ["--option", "whip_flags=dtls_active"] if role == "active" else []
    published = await publish(FFMPEG, "--frames", str(FRAMES), *options)
    if published.status == 0:
        published.check()
        return
    assert "alert 47" in published.bye
    if "this server refused" in published.bye:
        assert "must be RSA or on P-256" in published.bye
