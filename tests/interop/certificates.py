"""Certificates for publishers that take one from files."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


def rsa_key() -> Any:
    return rsa.generate_private_key(65537, 2048)


def p256() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


def write_certificate(folder: Path, key: Any) -> list[str]:
    """FFmpeg's options for a certificate with that key, written to `folder`."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ffmpeg")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=30))
    certificate = builder.sign(key, hashes.SHA256())
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    files = {
        "cert_file": certificate.public_bytes(pem),
        "key_file": key.private_bytes(pem, form, serialization.NoEncryption()),
    }
    options = []
    for option, content in files.items():
        path = folder / f"{option}.pem"
        path.write_bytes(content)
        options += ["--option", f"{option}={path}"]
    return options
