"""New sessions that were refused: counted by reason, logged, the latest kept for the operator.

Pure but for the log: time is an argument, in Unix seconds. Memory is bounded: reasons are codes of
the server's own, and `KEPT` refusals are remembered; the oldest is forgotten first.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge.base.event_log import get_logger

log = get_logger("edge.observability.refusals")

KEPT = 100
RECENT_MINUTES = 10  # that `recent` counts, to the minute
LINES_PER_MINUTE = 30  # logged of each reason; those beyond are counted in the next line
LABEL_CHARS, MESSAGE_CHARS = 80, 300  # kept of texts that anybody may have sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """`reason` is the error's code, `message` what its publisher was answered.

    `session` is the name of one that was refused only as it connected; until then an offer has
    none.
    """

    at_s: float
    reason: str
    message: str
    address: str | None = None
    label: str = ""
    token: str | None = None
    session: str | None = None


class Refusals:
    """Counts, logs and remembers them."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """All since the start, by reason."""
        self._latest: deque[Refusal] = deque(maxlen=KEPT)
        self._minutes: deque[tuple[int, Counter[str]]] = deque(maxlen=RECENT_MINUTES)
        self._unlogged: Counter[str] = Counter()

    def add(self, refusal: Refusal) -> None:
        """Count one, and log it unless its reason has filled this minute's lines."""
        label = _printable(refusal.label, LABEL_CHARS)
        message = _printable(refusal.message, MESSAGE_CHARS)
        refusal = replace(refusal, label=label, message=message)
        reason, minute = refusal.reason, int(refusal.at_s // 60)
        self.counts[reason] += 1
        self._latest.append(refusal)
        if not self._minutes or self._minutes[-1][0] != minute:
            self._minutes.append((minute, Counter()))
        in_minute = self._minutes[-1][1]
        in_minute[reason] += 1
        if in_minute[reason] > LINES_PER_MINUTE:
            self._unlogged[reason] += 1
            return
        values = {
            "message": message,
            "address": refusal.address,
            "label": label,
            "token": refusal.token,
            "session": refusal.session,
            "unlogged": self._unlogged.pop(reason, 0),
        }
        known = {key: value for key, value in values.items() if value}
        log.info("session_refused", reason=reason, **known)

    def recent(self, now_s: float) -> Counter[str]:
        """Those of the last ten minutes, by reason."""
        oldest = int(now_s // 60) - RECENT_MINUTES
        total: Counter[str] = Counter()
        for minute, counts in self._minutes:
            if minute > oldest:
                total.update(counts)
        return total

    def latest(self) -> list[dict[str, Any]]:
        """The refusals that are remembered, the newest first, as the API sends them."""
        return [{**asdict(each), "at_s": round(each.at_s, 1)} for each in reversed(self._latest)]


def _printable(text: str, chars: int) -> str:
    """The start of a text, with its unprintable characters as `?`."""
    return "".join(each if each.isprintable() else "?" for each in text[:chars])
