"""Which session ends when another is answered."""

from __future__ import annotations

from edge.session.registry.replacement import ANSWER_TIMEOUT_MS, Replacements


def done(replacements: Replacements, *answered: str, now_ms: float = 0.0) -> list[str]:
    return list(replacements.done(lambda new: new in answered, now_ms))


def test_the_old_one_ends_with_the_new_ones_first_answer() -> None:
    replacements = Replacements()
    assert replacements.begin("new", "old") is None
    assert replacements.successor("old") == "new"
    assert replacements.of("new") == "old"
    assert not done(replacements)
    assert done(replacements, "new") == ["old"]
    assert replacements.successor("old") is None
    assert not done(replacements, "new")


def test_the_old_one_ends_some_time_after_the_new_one_has_connected() -> None:
    replacements = Replacements()
    replacements.begin("new", "old")
    assert not done(replacements, now_ms=1e6)
    assert replacements.connected_successor("old") is None
    replacements.connected("new", 1e6)
    assert replacements.connected_successor("old") == "new"
    assert not done(replacements, now_ms=1e6 + ANSWER_TIMEOUT_MS - 1.0)
    assert done(replacements, now_ms=1e6 + ANSWER_TIMEOUT_MS) == ["old"]


def test_a_new_one_that_ends_before_changes_nothing() -> None:
    replacements = Replacements()
    replacements.begin("new", "old")
    replacements.forget("new")
    assert replacements.successor("old") is None
    assert not done(replacements, "new")


def test_a_second_successor_takes_the_place_of_the_first() -> None:
    replacements = Replacements()
    replacements.begin("first", "old")
    assert replacements.begin("second", "old") == "first"
    assert not done(replacements, "first")
    assert done(replacements, "second") == ["old"]


def test_whoever_replaces_a_successor_takes_its_place() -> None:
    replacements = Replacements()
    replacements.begin("second", "first")
    assert replacements.begin("third", "second") == "second"
    assert replacements.begin("fourth", "first") == "third"
    assert replacements.of("fourth") == "first"
    assert replacements.of("second") is replacements.of("third") is None
    assert done(replacements, "fourth") == ["first"]
