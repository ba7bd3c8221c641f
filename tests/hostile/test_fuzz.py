"""A small number of fuzzed inputs for each protocol: no exception gets past its guard."""

from __future__ import annotations

import pytest

from tests.hostile.fuzz import EPISODE, fuzz
from tests.hostile.fuzz_targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
async def test_nothing_raises_and_no_input_takes_long(name: str) -> None:
    outcome = await fuzz(name, 2 * EPISODE)
    assert outcome.inputs == 2 * EPISODE
    assert outcome.raised == 0, outcome.first_exception
    assert outcome.slowest_ms < 1000.0  # `python -m tests.hostile.fuzz` judges by 20 ms
