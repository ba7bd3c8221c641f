"""FFmpeg's WHIP muxer publishes: media right after the handshake, in which it is the DTLS server.

One key frame alone is sent, the first: a frame is answered only if that one was kept.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.interop.whip import FFMPEG, FRAMES, publish

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(
        "whip" not in av.formats_available, reason="PyAV's FFmpeg has no WHIP muxer"
    ),
]


def _certificate(folder: Path, key: Any) -> list[str]:
    """The muxer's options for a certificate with that key."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ffmpeg")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    certificate = builder.not_valid_after(now + datetime.timedelta(days=30)).sign(
        key, hashes.SHA256()
    )
    encoding = serialization.Encoding.PEM
    form = serialization.PrivateFormat.TraditionalOpenSSL
    (folder / "cert.pem").write_bytes(certificate.public_bytes(encoding))
    (folder / "key.pem").write_bytes(
        key.private_bytes(encoding, form, serialization.NoEncryption())
    )
    return [
        "--option",
        f"cert_file={folder / 'cert.pem'}",
        "--option",
        f"key_file={folder / 'key.pem'}",
    ]


def _rsa() -> Any:
    return rsa.generate_private_key(65537, 2048)


def _p256() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.mark.parametrize(
    ("key", "options"),
    [
        (_p256, ""),
        (_p256, "--profile main"),
        (_p256, "--profile high"),
        (_p256, "--option whip_flags=dtls_active"),
        (_rsa, ""),
    ],
)
async def test_every_frame_of_it_has_one_outcome(
    tmp_path: Path, key: Callable[[], Any], options: str
) -> None:
    certificate = _certificate(tmp_path, key())
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
