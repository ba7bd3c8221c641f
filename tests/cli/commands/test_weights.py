"""`edge weights`: the list, and a name that is not in it."""

from __future__ import annotations

import pytest

from edge.cli.main import main


def test_weights_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    out = capsys.readouterr().out
    assert "yolov4-tiny" in out
    assert "24,251,276" in out


def test_an_unknown_name_is_2_and_the_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "fetch", "yolov9"]) == 2
    assert capsys.readouterr().err.startswith("error: no weights are called 'yolov9': yolov4-tiny")
