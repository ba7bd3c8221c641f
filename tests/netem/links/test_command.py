"""`python -m netem link`: usage and failures that need no kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from netem.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["link", "--", "true"], "--trace --rate is required"),
        (["link", "--rate", "8mbit"], "COMMAND"),
        (["link", "--rate", "8", "--", "true"], "a number and a unit"),
        (["link", "--rate", "8mbit", "--trace", "x", "--", "true"], "not allowed with"),
        (["link", "--rate", "8mbit", "--loss", "200%", "--", "true"], "100% at most"),
        (["link", "--rate", "8mbit", "--reorder", "1%", "--", "true"], "needs a delay"),
        (["link", "--rate", "8mbit", "--loss-burst", "0", "--", "true"], "1 packet at least"),
    ],
)
def test_bad_usage(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    assert message in capsys.readouterr().err


def test_a_trace_that_cannot_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.up").write_text("")
    assert main(["link", "--trace", str(tmp_path / "a.up"), "--", "true"]) == 1
    assert "a.up: the file is empty" in capsys.readouterr().err


def test_without_root_the_link_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["link", "--rate", "8mbit", "--", "true"]) == 1
    assert "links cannot be made here: needs root" in capsys.readouterr().err
