"""The style of figures: distinct series, labels apart, plain numbers."""

from __future__ import annotations

import matplotlib as mpl
import pytest

from analysis.figures.style import STYLES, blank, label_ends, plain_ticks, styled, styles


def test_every_series_differs_in_more_than_its_colour() -> None:
    assert len({style.colour for style in STYLES}) == len(STYLES)
    assert len({style.marker for style in STYLES}) == len(STYLES)
    assert len({style.dash for style in STYLES}) == len(STYLES)


def test_names_get_styles_in_order_and_the_eighth_is_the_first_again() -> None:
    given = styles("abcdefgh")
    assert list(given) == list("abcdefgh")
    assert list(given.values()) == [*STYLES, STYLES[0]]


def test_a_function_draws_in_the_projects_style_and_leaves_the_callers() -> None:
    @styled
    def grid() -> bool:
        return bool(mpl.rcParams["axes.grid"])

    with mpl.rc_context({"axes.grid": False}):
        assert grid()
        assert not mpl.rcParams["axes.grid"]


@pytest.mark.parametrize(
    ("scale", "gap", "expected"),
    [("linear", 0.5, [1.0, 1.5, 3.0]), ("log", 2.0, [1.0, 2.0, 4.0])],
)
def test_labels_are_moved_apart(scale: str, gap: float, expected: list[float]) -> None:
    axes = blank(2.0).subplots()
    axes.set_yscale(scale)
    ends = [(0.0, 3.0, "c", "k"), (0.0, 1.0, "a", "k"), (0.0, 1.1, "b", "k")]
    label_ends(axes, ends, gap)
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
    assert [text.xy[1] for text in axes.texts] == pytest.approx(expected)  # type: ignore[attr-defined]


def test_ticks_are_plain_numbers_on_a_logarithmic_axis() -> None:
    figure = blank(2.0)
    axes = figure.subplots()
    axes.set(yscale="log", ylim=(0.05, 20_000))
    plain_ticks(axes.yaxis, (0.1, 1, 10_000))
    figure.draw_without_rendering()
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0.1", "1", "10,000"]
