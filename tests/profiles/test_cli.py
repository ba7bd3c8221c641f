"""`python -m profiles`: bad usage."""

from __future__ import annotations

import pytest

from profiles.__main__ import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "COMMAND"),
        (["latency", "--device", "tpu"], "cpu or cuda:N"),
        (["latency", "--batches", "0"], "batches of 1 to 64"),
        (["latency", "--variants", "resnet-50"], "resnet"),
        (["accuracy", "--codec", "av1"], "'av1': of vp8"),
        (["accuracy", "--inputs", "100"], "100: 128 to 608"),
        (["accuracy", "--device", "sim:x"], "cpu or cuda:N"),
        (["accuracy", "--frames", "0"], "1 to"),
        (["accuracy", "--kbps", "0"], "kbit/s"),
        (["accuracy", "--sent", "4"], "from 32"),
    ],
)
def test_bad_usage_is_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert message in capsys.readouterr().err
