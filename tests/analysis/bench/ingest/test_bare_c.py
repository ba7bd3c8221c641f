"""The C program that costs are compared with: what it measures, and how its absence is reported."""

from __future__ import annotations

import pytest

from analysis.bench.ingest import bare_c


def test_a_frames_processor_time_is_measured() -> None:
    cpu_ms, missing = bare_c.cpu_ms(416, 15, 1e6, rounds=1)
    if cpu_ms is None:
        pytest.skip(missing)
    assert cpu_ms > 0.0


@pytest.mark.parametrize(
    ("compiler", "message"),
    [
        (None, "no `cc`: a C compiler, libsrtp2-dev"),
        ("/bin/false", "are needed: it does not build"),
    ],
)
def test_a_missing_compiler_or_library_is_reported(
    compiler: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda name: compiler)
    cpu_ms, missing = bare_c.cpu_ms(416, 15, 1e6)
    assert cpu_ms is None
    assert message in missing
