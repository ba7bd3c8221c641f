"""The sessions of all nodes: searched, sorted and cut. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from edge.fleet.report import MissLimits, Report, SessionRow

Sort = Literal["worst", "session", "node", "in_time", "p50", "p99", "size", "model", "link"]
MAX_LIMIT = 2_000


class SessionQuery(BaseModel):
    """What is asked for, as a request's query has it."""

    model_config = ConfigDict(extra="forbid")

    search: Annotated[str, Field(max_length=128)] = ""
    """Words, each in the session's label or name, its node's name, or its variant."""
    sort: Sort = "worst"
    descending: bool = False
    limit: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = 200


@dataclass(frozen=True, slots=True)
class Source:
    """A node's report, where the node is, and how old that is."""

    report: Report
    url: str
    age_ms: float


def select(sources: Iterable[Source], query: SessionQuery, limits: MissLimits) -> dict[str, Any]:
    """`{"sessions", "total", "told", "matched"}`: all sessions that there are, those that nodes
    told of (at most so many each), and those of them that match; `sessions` has the first ones.

    Rows without the value that is sorted by come last, whatever the direction.
    """
    held = [(row, source) for source in sources for row in source.report.sessions]
    totals = {source.report.node: source.report.total for _, source in held}
    words = query.search.lower().split()
    rows = [each for each in held if _matches(*each, words)]
    rows.sort(key=lambda each: ((each[0].label or each[0].name).lower(), each[1].report.node))
    value = _VALUES[query.sort]
    with_value = [each for each in rows if value(*each) is not None]
    without = [each for each in rows if value(*each) is None]
    with_value.sort(key=lambda each: value(*each), reverse=query.descending)
    return {
        "sessions": [_to_json(*each, limits) for each in (with_value + without)[: query.limit]],
        "total": sum(totals.values()),
        "told": len(held),
        "matched": len(rows),
    }


def _matches(row: SessionRow, source: Source, words: Iterable[str]) -> bool:
    text = f"{row.label} {row.name} {source.report.node} {row.variant or ''}".lower()
    return all(word in text for word in words)


def _to_json(row: SessionRow, source: Source, limits: MissLimits) -> dict[str, Any]:
    return {
        "node": source.report.node,
        **row.model_dump(),
        "level": row.level(limits),
        "url": f"{source.url}/admin/session/{row.name}",
        "report_age_ms": round(source.age_ms),
    }


def _kept_share(row: SessionRow, source: Source) -> float | None:
    share = row.missed_share
    return None if share is None else 1.0 - share


_VALUES: Mapping[str, Callable[[SessionRow, Source], Any]] = {
    "worst": lambda row, source: row.urgency[0],
    "session": lambda row, source: (row.label or row.name).lower(),
    "node": lambda row, source: source.report.node,
    "in_time": _kept_share,
    "p50": lambda row, source: row.p50_ms,
    "p99": lambda row, source: row.p99_ms,
    "size": lambda row, source: None if row.size is None else row.size[0] * row.size[1],
    "model": lambda row, source: row.variant,
    "link": lambda row, source: row.link_bps,
}
assert set(_VALUES) == set(get_args(Sort))
