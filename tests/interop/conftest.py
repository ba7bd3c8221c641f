"""What all tests with other programs share."""

from __future__ import annotations

import pytest

from edge.rtc.decoding import decoder
from edge.session import liveness
from tests.browser.conftest import shared_browsers

__all__ = ["patient_server", "shared_browsers"]  # those that tests open end with the last of them


@pytest.fixture(autouse=True)
def patient_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine costs no session and no frame: only what other programs send is judged.

    A decoder that is behind decodes late, and a publisher may take its time to connect.
    """
    monkeypatch.setattr(decoder, "MAX_WAITING", 1_000)
    monkeypatch.setattr(decoder, "MAX_WAITING_MS", 60_000.0)
    for limit in ("CHECK_TIMEOUT_MS", "HANDSHAKE_TIMEOUT_MS", "CONNECT_TIMEOUT_MS"):
        monkeypatch.setattr(liveness, limit, 60_000.0)
