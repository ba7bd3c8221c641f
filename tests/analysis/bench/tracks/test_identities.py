"""Identity switches, against things that were told apart by eye."""

from __future__ import annotations

from analysis.bench.tracks.identities import Sighting, TrackedFrame, identities, load_sightings

LEFT, RIGHT = (0, 0.9, 0.1, 0.1, 0.3, 0.5), (0, 0.9, 0.6, 0.1, 0.8, 0.5)
PEOPLE = [Sighting(name, at_s, x, 0.3) for name, x in (("A", 0.2), ("B", 0.7)) for at_s in (0, 30)]


def frames(*ids: tuple[int | None, int | None]) -> list[TrackedFrame]:
    return [(30.0 * index, [LEFT, RIGHT], list(each)) for index, each in enumerate(ids)]


def test_an_exchange_is_a_switch_of_both() -> None:
    assert identities(PEOPLE, frames((1, 2), (1, 2))).switches == 0
    swapped = identities(PEOPLE, frames((1, 2), (2, 1)))
    assert (swapped.things, swapped.switches, swapped.switches_per_min) == (2, 2, 2.0)


def test_a_sighting_without_a_tracked_box_is_none_and_ends_nothing() -> None:
    people = [Sighting("A", at_s, 0.2, 0.3) for at_s in (0, 30, 60)]
    found = identities(people, frames((1, 2), (None, 2), (1, 2)))
    assert (found.tracked, found.switches) == (2, 0)
    assert identities(people, frames((1, 2), (None, 2), (3, 2))).switches == 1


def test_of_overlapping_boxes_the_nearest_counts() -> None:
    near, far = (0, 0.5, 0.15, 0.1, 0.25, 0.5), (0, 0.9, 0.0, 0.1, 0.22, 0.5)
    found = identities(
        [Sighting("A", 0, 0.2, 0.3), Sighting("A", 30, 0.2, 0.3)],
        [(0.0, [far, near], [7, 8]), (30.0, [near], [8])],
    )
    assert found.switches == 0


def test_the_file() -> None:
    people, montage = load_sightings("vtest.avi"), load_sightings("bikes.mp4")
    assert len({each.who for each in people}) == 13
    assert len({each.who for each in montage}) == 7
    assert all(0 <= each.x <= 1 and 0 <= each.y <= 1 for each in people + montage)
