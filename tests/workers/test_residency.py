"""Which models are in memory: those that sessions wait for first, and never at others' expense."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edge.workers.residency import Residence, Residency, Resident

SIZES = {"small": 100, "large": 300, "other": 200}
IDLE_MS = 1000.0


class Memory:
    """Carries out what is decided, as if loading took no time."""

    def __init__(self, limit: int | None = None, always: tuple[str, ...] = ("tiny",)) -> None:
        self.residency = Residency(limit, IDLE_MS)
        self.always = always
        self.resident: dict[str, Resident] = {}
        self.sizes = dict(SIZES)
        self.now_ms = 0.0

    def step(self, sessions: Sequence[Sequence[str]], *, may_load: bool = True) -> Residence:
        found = self.residency.decide(
            sessions,
            self.resident,
            self.sizes,
            always=self.always,
            always_size=100,
            now_ms=self.now_ms,
            may_load=may_load,
        )
        for name in found.unload:
            del self.resident[name]
        if found.load is not None:
            assert found.load not in self.resident
            self.resident[found.load] = Resident(self.sizes[found.load], self.now_ms)
        return found

    def settle(self, sessions: Sequence[Sequence[str]]) -> Residence:
        """Steps until nothing changes; fails if that never happens."""
        for _ in range(20):
            found = self.step(sessions)
            if not found.unload and found.load is None:
                return found
        raise AssertionError(f"never at rest: {found}")


def test_nothing_is_loaded_that_nobody_may_use() -> None:
    memory = Memory()
    assert memory.step([]) == Residence()
    assert memory.step([["tiny"], ["tiny"]]) == Residence()


def test_a_session_that_has_nothing_comes_before_one_that_could_be_served_better() -> None:
    memory = Memory()
    sessions = [["tiny", "small"], ["large"]]
    assert memory.step(sessions).load == "large"
    assert memory.step(sessions).load == "small"
    assert memory.step(sessions) == Residence()


def test_the_smallest_model_of_a_family_ends_the_wait() -> None:
    memory = Memory()
    assert memory.step([["large", "small"]]).load == "small"
    assert memory.step([["large", "small"]]).load == "large"


def test_one_is_loaded_at_a_time() -> None:
    assert Memory().step([["large"]], may_load=False) == Residence()


def test_an_unused_model_goes_after_a_while() -> None:
    memory = Memory()
    memory.settle([["small"]])
    memory.now_ms = IDLE_MS - 1
    assert memory.step([]) == Residence()
    memory.now_ms = 2 * IDLE_MS
    assert memory.step([["small"]]) == Residence()  # it is used again
    memory.now_ms = 3 * IDLE_MS - 1
    assert memory.step([]) == Residence()
    memory.now_ms = 3 * IDLE_MS
    assert memory.step([]).unload == ("small",)


def test_a_model_without_a_session_makes_room_before_its_time() -> None:
    memory = Memory(limit=450)
    memory.settle([["other"]])
    assert memory.step([["large"]]) == Residence(unload=("other",))
    assert memory.step([["large"]]).load == "large"


def test_a_better_model_makes_room_for_one_that_a_session_waits_for() -> None:
    memory = Memory(limit=450)
    family = ["tiny", "large"]
    memory.settle([family])
    assert "large" in memory.resident
    memory.settle([family, ["other"]])
    assert set(memory.resident) == {"other"}  # the family's session has tiny
    memory.settle([family])
    assert set(memory.resident) == {"large"}  # for one that nobody may use any more


def test_what_a_session_depends_on_is_never_taken_from_it() -> None:
    memory = Memory(limit=450)
    memory.settle([["large"]])
    found = memory.settle([["large"], ["other"]])
    assert set(memory.resident) == {"large"}
    assert found.no_room == ("other",)
    memory.now_ms = 10 * IDLE_MS
    memory.settle([["other"]])
    assert set(memory.resident) == {"other"}


def test_a_model_that_is_too_large_for_the_memory_keeps_no_other_out() -> None:
    memory = Memory(limit=350)
    memory.sizes["huge"] = 9000
    found = memory.settle([["huge"], ["other"]])
    assert set(memory.resident) == {"other"}
    assert found.no_room == ("huge",)


def test_a_model_that_may_not_be_loaded_now_is_waited_for_without_harm() -> None:
    memory = Memory()
    del memory.sizes["small"]  # it has just failed
    assert memory.settle([["small"]]) == Residence()
    assert memory.settle([["small", "large"]]).no_room == ()
    assert set(memory.resident) == {"large"}


@pytest.mark.parametrize("limit", [None, 100, 250, 450, 650, 10_000])
def test_it_comes_to_rest_and_stays_within_the_limit(limit: int | None) -> None:
    memory = Memory(limit=limit)
    mixes = (["tiny"], ["small"], ["large"], ["tiny", "large"], ["small", "other"], ["other"])
    for first in mixes:
        for second in mixes:
            for third in mixes:
                memory.now_ms += 10.0
                memory.settle([first, second, third])
                used = 100 + sum(each.size for each in memory.resident.values())
                assert limit is None or used <= limit or not memory.resident


def test_of_a_familys_models_one_stays_when_another_session_needs_room() -> None:
    memory = Memory(limit=450)
    family = ["small", "other"]
    memory.settle([family])
    assert set(memory.resident) == {"small", "other"}
    found = memory.settle([family, ["large"]])
    assert found.no_room == ("large",)
    assert set(memory.resident) & {"small", "other"}
