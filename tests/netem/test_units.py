"""Rates, times and shares as written on a command line."""

import pytest

from netem.units import rate_bps, share, time_ms


def test_read() -> None:
    assert [rate_bps(t) for t in ("8mbit", "1.5Mbit", "500kbit", "2gbit", "9600bit")] == [
        8e6, 1.5e6, 5e5, 2e9, 9600.0,
    ]  # fmt: skip
    assert [time_ms(t) for t in ("20ms", "0.5s", "250us", "0ms")] == [20.0, 500.0, 0.25, 0.0]
    assert [share(t) for t in ("1%", ".5%", "0.01", "0", "100%")] == [0.01, 0.005, 0.01, 0.0, 1.0]


@pytest.mark.parametrize("text", ["8", "8mbyte", "mbit", "-8mbit", "1e6bit", "1bit", "999gbit"])
def test_rate_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        rate_bps(text)


@pytest.mark.parametrize("text", ["20", "2h", "-1ms", "nanms", "61s"])
def test_time_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        time_ms(text)


@pytest.mark.parametrize("text", ["1.01", "101%", "-1%", "a%", ""])
def test_share_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}: "):
        share(text)
