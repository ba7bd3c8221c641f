"""Webhooks' signatures, checked as the specification and the documents do."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from edge.sinks.signature import signature, signing_key

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "sinks.md"


def documented_verification() -> Any:
    """The function `verified` of the documents."""
    [snippet] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    return namespace["verified"]


def test_the_signature_is_that_of_the_specification() -> None:
    # The example of https://github.com/standard-webhooks/standard-webhooks
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "secret", ["plain text of sixteen", "whsec_" + base64.b64encode(b"k" * 24).decode()]
)
def test_the_documented_snippet_verifies(secret: str) -> None:
    verified = documented_verification()
    body = b'{"events":[]}'
    headers = {
        "webhook-id": "boot-1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": signature(signing_key(secret), "boot-1", 1700000000, body),
    }
    assert verified(secret, headers, body, now_s=1700000010)
    assert not verified(secret, headers, body, now_s=1700000000 + 3600)  # replayed
    assert not verified(secret, headers, body + b" ", now_s=1700000010)
    assert not verified("another secret of ours", headers, body, now_s=1700000010)
    assert not verified(secret, {**headers, "webhook-id": "boot-2"}, body, now_s=1700000010)
    later = {**headers, "webhook-timestamp": "1700000005"}
    assert not verified(secret, later, body, now_s=1700000010)


@pytest.mark.parametrize("secret", ["short", "whsec_", "whsec_no base64!", "whsec_" + "QUJD" * 2])
def test_weak_secrets_are_refused_without_being_told(secret: str) -> None:
    with pytest.raises(ValueError, match="16 characters|Base64") as caught:
        signing_key(secret)
    assert secret.removeprefix("whsec_") not in str(caught.value) or secret == "whsec_"
