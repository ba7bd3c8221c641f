"""The announcement: its first line is a contract, the rest depends on how it is served."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from edge.cli.terminal import announce, qr_code


def _server(**settings: Any) -> Any:
    return SimpleNamespace(
        url="https://localhost:8443/",
        lan_urls=["https://192.0.2.7:8443/"],
        settings=SimpleNamespace(**{"http": False, "cert": None} | settings),
    )


def test_the_first_line_is_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    announce(_server())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Serving at https://localhost:8443/"
    assert "https://192.0.2.7:8443/ca.crt" in lines[2]


@pytest.mark.parametrize(
    ("settings", "words"), [({"cert": "a.pem"}, None), ({"http": True}, "localhost only")]
)
def test_advice_fits_how_it_is_served(
    settings: dict[str, Any], words: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    announce(_server(**settings))
    out = capsys.readouterr().out
    assert "ca.crt" not in out
    assert words is None or words in out


def test_a_qr_code_is_square_in_half_blocks() -> None:
    lines = qr_code("https://192.0.2.7:8443/").splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) in (2 * len(lines), 2 * len(lines) - 1)
