"""Numbers that wrap, as integers that don't."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.rtc.unwrapper import Unwrapper, signed_difference


@pytest.mark.parametrize(
    ("number", "reference", "difference"),
    [(5, 3, 2), (3, 5, -2), (1, 0xFFFF, 2), (0xFFFF, 1, -2), (0x8000, 0, -0x8000)],
)
def test_a_difference_is_the_nearest_to_zero(number: int, reference: int, difference: int) -> None:
    assert signed_difference(number, reference, 16) == difference


@given(st.integers(0, 1 << 40), st.integers(-0x7FFF, 0x7FFF))
def test_a_difference_ignores_full_cycles(reference: int, difference: int) -> None:
    assert signed_difference((reference + difference) & 0xFFFF, reference, 16) == difference


def test_unwrapping_goes_both_ways() -> None:
    unwrapper = Unwrapper(32)
    assert unwrapper.unwrap(0xFFFFFFF0) == 0xFFFFFFF0
    assert unwrapper.unwrap(0x10) == 0x100000010
    assert unwrapper.unwrap(0xFFFFFFF8) == 0xFFFFFFF8
    assert unwrapper.unwrap(0x20) == 0x100000020


def test_peeking_moves_no_reference() -> None:
    unwrapper = Unwrapper(24)
    assert unwrapper.peek(7) == 7
    unwrapper.unwrap(0xFFFFFF)
    assert unwrapper.peek(0x700000) == 0x1700000
    assert unwrapper.peek(0xE00000) == 0xE00000  # by the wrapped number: nothing has moved


@given(st.lists(st.integers(-0x7FFFFF, 0x7FFFFF), max_size=30), st.integers(0, 0xFFFFFF))
def test_steps_below_half_a_cycle_are_followed(steps: list[int], start: int) -> None:
    unwrapper, number = Unwrapper(24), start
    assert unwrapper.unwrap(start) == start
    for step in steps:
        number += step
        assert unwrapper.unwrap(number & 0xFFFFFF) == number
