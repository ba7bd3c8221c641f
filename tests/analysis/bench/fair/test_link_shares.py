"""Shares of one link: the promises and the table."""

from __future__ import annotations

from analysis.bench.fair.link_shares import LinkShare, markdown, promises

FIRST = LinkShare("session", 256_000, "receiver 1", 1.6e6, 30.2, 0.004)
SECOND = LinkShare("session", 256_000, "receiver 2", 1.2e6, 31.0, 0.0)
OURS = LinkShare("tcp", 30_000, "receiver 1", 0.5e6, 80.0, 0.2)
TCP = LinkShare("tcp", 30_000, "tcp", 3.4e6)


def test_equals_share_equally_and_nobody_starves() -> None:
    assert [promise.kept for promise in promises([FIRST, SECOND, OURS, TCP])] == [False, True, True]
    greedy = LinkShare("tcp", 30_000, "receiver 1", 2.6e6, 80.0, 0.2)
    starved = LinkShare("tcp", 30_000, "tcp", 1.2e6)
    assert [promise.kept for promise in promises([greedy, starved])] == [True, False]


def test_a_table_has_a_line_for_each_company() -> None:
    lines = markdown([FIRST, SECOND, OURS, TCP]).splitlines()
    assert lines[1].count("---") == 5
    shares = "receiver 1: 1.60, receiver 2: 1.20"
    assert lines[2] == f"| two sessions | 256 kB | {shares} | 30, 31 | 0.4 %, 0.0 % |"
    assert lines[3] == "| a session and TCP | 30 kB | receiver 1: 0.50, tcp: 3.40 | 80 | 20.0 % |"
