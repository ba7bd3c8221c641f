"""The picture that a link carries best, for each input size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.profile.variant import LONG_SIDES, SENT_LONG_SIDES
from edge.scheduling.assignment import Pins
from edge.scheduling.picture_choice import PictureChooser
from tests.planning import accuracy
from tests.scheduling.test_planner import WIDE

CHOOSER = PictureChooser("yolov4-tiny", LONG_SIDES, SENT_LONG_SIDES, accuracy())


def sent_by_input(link_bps: float) -> dict[int, int]:
    choices = CHOOSER.choices(replace(WIDE, link_bps=link_bps))
    return {choice.input_long_side: choice.sent_long_side for choice in choices}


def test_there_is_a_choice_for_every_input_size() -> None:
    assert set(sent_by_input(4e6)) == set(LONG_SIDES)


def test_no_larger_picture_is_sent_than_the_input_can_use() -> None:
    sent = sent_by_input(100e6)
    assert sent[608] == 608
    assert sent[256] == 256


def test_a_thin_link_carries_smaller_pictures_with_less_f1() -> None:
    assert sent_by_input(60e3)[608] < sent_by_input(4e6)[608]
    thin, thick = (CHOOSER.choices(replace(WIDE, link_bps=bps))[-1].f1 for bps in (60e3, 4e6))
    assert 0.0 < thin < thick <= 1.0


def test_a_pinned_size_is_the_only_choice() -> None:
    pinned = replace(WIDE, pins=Pins(long_side=256))
    assert {choice.sent_long_side for choice in CHOOSER.choices(pinned)} == {256}


def test_links_that_differ_little_have_the_same_choices() -> None:
    assert CHOOSER.choices(replace(WIDE, link_bps=1.02e6)) is CHOOSER.choices(
        replace(WIDE, link_bps=1.05e6)
    )


def test_useful_bits_reach_nearly_all_of_the_f1() -> None:
    bps = CHOOSER.useful_bps("yolov4-tiny-416", 416, WIDE)
    enough = CHOOSER.f1("yolov4-tiny-416", 416, replace(WIDE, link_bps=bps))
    unlimited = CHOOSER.f1("yolov4-tiny-416", 416, replace(WIDE, link_bps=1e9))
    assert enough == pytest.approx(0.99 * unlimited, rel=1e-3)
