"""What an outage is made of."""

from __future__ import annotations

from netem.failover.watched_page import legs_of

STEPS = {"posted": 500.0, "accepted": 580.0, "ice": 640.0, "dtls": 740.0, "open": 800.0}


def test_legs_add_up() -> None:
    found = {"steps": {**STEPS, "answered": 900.0}, "ask": {"begun": 350.0, "ended": 410.0}}
    assert legs_of(found, 0.0) == {
        "noticed": 350.0,
        "asked": 60.0,
        "posted": 90.0,
        "accepted": 80.0,
        "ice": 60.0,
        "dtls": 100.0,
        "open": 60.0,
        "answered": 100.0,
    }


def test_an_offer_may_leave_before_the_question_is_answered() -> None:
    found = {"steps": {**STEPS, "answered": 900.0}, "ask": {"begun": 350.0, "ended": 850.0}}
    legs = legs_of(found, 0.0)
    assert legs["asked"] == 150.0
    assert legs["posted"] == 0.0
    assert sum(legs.values()) == 900.0


def test_nobody_was_asked() -> None:
    legs = legs_of({"steps": {**STEPS, "answered": 900.0}, "ask": None}, 100.0)
    assert (legs["noticed"], legs["asked"], legs["posted"]) == (400.0, 0.0, 0.0)


def test_an_answer_may_come_before_the_other_channel_is_open() -> None:
    steps = {**STEPS, "open": 950.0, "answered": 900.0}
    legs = legs_of({"steps": steps, "ask": None}, 0.0)
    assert (legs["open"], legs["answered"]) == (160.0, 0.0)
