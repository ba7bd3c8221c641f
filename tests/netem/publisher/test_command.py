"""`python -m netem publish`: its usage, and a refusal's exit status."""

from __future__ import annotations

import argparse

import pytest

from netem.__main__ import main
from netem.publisher import command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "URL"),
        (["x"], "http://... or https://..."),
        (["http://x", "--fps", "0"], "0: 1 to 1000"),
        (["http://x", "--slo-ms", "5"], "5: 20 to 5000"),
        (["http://x", "--seconds", "0"], "0: 0.1 to 86400"),
    ],
)
def test_bad_usage_is_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        main(["publish", *arguments])
    assert leaving.value.code == 2
    assert message in capsys.readouterr().err


def test_the_defaults_are_one_client_until_it_is_stopped() -> None:
    parser = argparse.ArgumentParser()
    command.add(parser)
    options = parser.parse_args(["http://x"])
    assert (options.clients, options.fps, options.slo_ms) == (1, 15, 100.0)
    assert options.seconds is None
