"""The check that the library's private names are the ones this is built on."""

from __future__ import annotations

import importlib.metadata

import pytest
from aiortc.rtcdtlstransport import RTCDtlsTransport
from aiortc.rtcsctptransport import RTCSctpTransport

from edge.rtc.transport import aiortc_adapter


def test_the_pinned_versions_pass() -> None:
    aiortc_adapter.check()


def test_another_version_is_named_with_the_one_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda package: "9.9.9")
    with pytest.raises(aiortc_adapter.InternalsError) as refused:
        aiortc_adapter.check()
    assert "9.9.9" in str(refused.value)
    assert "pip install aiortc==1.16.0" in str(refused.value)


def test_a_missing_method_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(RTCSctpTransport, "_abort")
    with pytest.raises(aiortc_adapter.InternalsError, match="RTCSctpTransport has no _abort"):
        aiortc_adapter.check()


def test_a_missing_attribute_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(aiortc_adapter._ATTRIBUTES, RTCDtlsTransport, ("_gone",))
    with pytest.raises(aiortc_adapter.InternalsError, match="_gone"):
        aiortc_adapter.check()
