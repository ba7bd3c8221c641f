"""Signatures of webhooks: HMAC-SHA256 over id, time and body. Pure.

As https://www.standardwebhooks.com specifies, so that receivers find libraries in many languages.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
SHORTEST = 16  # characters of a secret that is plain text


def signing_key(secret: str) -> bytes:
    """The key that a secret stands for: of `whsec_...` the Base64 behind it, else its characters.

    ValueError, without the secret, for one that is too short or no Base64.
    """
    if not secret.startswith(PREFIX):
        if len(secret) < SHORTEST:
            raise ValueError(f"at least {SHORTEST} characters")
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{PREFIX} is followed by Base64") from None
    if not 24 <= len(key) <= 64:
        raise ValueError(f"{PREFIX} is followed by 24 to 64 bytes in Base64")
    return key


def signature(key: bytes, batch_id: str, timestamp_s: int, body: bytes) -> str:
    """The value of `webhook-signature`."""
    signed = f"{batch_id}.{timestamp_s}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
