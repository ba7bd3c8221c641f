"""Which session ends when another is answered."""

from __future__ import annotations

from edge.session.replacement import Replacements


def test_the_old_one_ends_with_the_new_ones_first_answer() -> None:
    replacements = Replacements()
    assert replacements.begin("new", "old") is None
    assert replacements.is_leaving("old")
    assert replacements.of("new") == "old"
    assert not list(replacements.done(lambda _: False))
    assert list(replacements.done(lambda new: new == "new")) == ["old"]
    assert not replacements.is_leaving("old")
    assert not list(replacements.done(lambda _: True))


def test_a_new_one_that_ends_before_changes_nothing() -> None:
    replacements = Replacements()
    replacements.begin("new", "old")
    replacements.forget("new")
    assert not replacements.is_leaving("old")
    assert not list(replacements.done(lambda _: True))


def test_a_second_successor_takes_the_place_of_the_first() -> None:
    replacements = Replacements()
    replacements.begin("first", "old")
    assert replacements.begin("second", "old") == "first"
    assert list(replacements.done(lambda new: new == "first")) == []
    assert list(replacements.done(lambda new: new == "second")) == ["old"]


def test_a_successor_that_is_replaced_itself_ends_with_all_before_it() -> None:
    replacements = Replacements()
    replacements.begin("second", "first")
    replacements.begin("third", "second")
    assert list(replacements.done(lambda new: new == "third")) == ["second", "first"]
