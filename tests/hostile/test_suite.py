"""The suite itself: a few attacks, none of which stops the server or ends an honest session."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.hostile import slow_connections
from tests.hostile.attacks.catalogue import ATTACKS
from tests.hostile.measurement import Row, scene

pytestmark = pytest.mark.hostile

_QUICK = ("sack-gaps", "endless-heartbeat", "malformed-heads")


async def test_quick_attacks_cost_others_nothing_that_only_an_attack_can_cost() -> None:
    """Misses and times depend on this machine's load, too: the table judges them. So does
    admission: a busy machine may have no room for three publishers."""
    attacks = [attack for attack in ATTACKS if attack.name in _QUICK]
    async with scene(memory_s=0.0, settings={"EDGE_ADMISSION": "false"}) as at:
        rows = [await at.row(attack) for attack in attacks]
    for row in rows:
        assert not row.stuck, row
        assert row.others_lost == 0, row
        assert not row.must_end or row.ended_s is not None, row
    assert len(rows) == len(_QUICK)


def _row(**fields: object) -> Row:
    return Row(
        **{  # type: ignore[arg-type]
            "name": "x",
            "text": "x",
            "misses_before": 1.0,
            "misses_during": 1.5,
            "others_lost": 0,
            "health_ms": 20.0,
            "must_end": False,
            "ended_s": None,
            "outcome": "kept",
            "more_memory": 1.0,
            "log_lines": 3,
            "newcomer": "",
            "stuck": False,
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("fields", "bound"),
    [
        ({"misses_during": 2.5}, "misses"),
        ({"others_lost": 1}, "others ended"),
        ({"health_ms": 201.0}, "/healthz"),
        ({"must_end": True}, "not ended in time"),
        ({"must_end": True, "ended_s": 1.5}, "not ended in time"),
        ({"log_lines": 101}, "log"),
        ({"more_memory": 6.0}, "memory"),
        ({"newcomer": "503: busy"}, "newcomer"),
        ({"stuck": True}, "server stuck"),
    ],
)
def test_a_broken_bound_is_named(fields: dict[str, object], bound: str) -> None:
    assert _row(**fields).broken == [bound]


def test_a_row_within_its_bounds_breaks_none() -> None:
    assert _row().broken == []
    assert _row(must_end=True, ended_s=0.3, newcomer="served").broken == []


def test_a_publisher_that_slow_connections_keep_out_is_told() -> None:
    case = slow_connections.CASES[0]
    served = slow_connections.Row(case, Counter(open=64, closed=236), 0.2, 45, 20.0, 3)
    assert served.broken == []
    kept_out = slow_connections.Row(case, Counter(open=300), None, 0, 0.0, 100)
    assert kept_out.broken == ["newcomer", "log"]
