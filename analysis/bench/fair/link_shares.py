"""Shares of one link: promises about them, and their tables. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table

from analysis.bench.report import Promise, markdown_table

LINK_BPS = 4e6
LATE_MS = 100.0
_LABELS = {"session": "two sessions", "tcp": "a session and TCP"}


@dataclass(frozen=True, slots=True)
class LinkShare:
    """One flow's part of a link; `company` names what shares it with the session. Network times in
    ms are those of frames, and None for a flow without frames."""

    company: str
    queue_bytes: int
    flow: str
    bps: float
    p50: float | None = None
    late: float | None = None


def promises(shares: Sequence[LinkShare]) -> Iterator[Promise]:
    """Two sessions share equally, and neither a session nor TCP starves beside the other."""
    for (company, queue_bytes), flows in _by_link(shares):
        bps = {share.flow: share.bps for share in flows}
        where = f"queue of {queue_bytes / 1e3:.0f} kB"
        if company == "session" and "receiver 2" in bps:
            low, high = sorted((bps["receiver 1"], bps["receiver 2"]))
            text = f"{where}: two sessions share within 20 % ({low / high:.2f})"
            yield Promise(text, low >= 0.8 * high)
        elif company == "tcp" and "receiver 1" in bps:
            yield Promise(f"{where}: the session has a tenth", bps["receiver 1"] >= 0.1 * LINK_BPS)
            yield Promise(f"{where}: TCP has four tenths", bps["tcp"] >= 0.4 * LINK_BPS)


def markdown(shares: Sequence[LinkShare]) -> str:
    """A table with a line for each link."""

    def lines() -> Iterator[Sequence[str]]:
        for (company, queue_bytes), flows in _by_link(shares):
            rates = [f"{share.flow}: {share.bps / 1e6:.2f}" for share in flows]
            times = [f"{share.p50:.0f}" for share in flows if share.p50 is not None]
            late = [f"{100.0 * share.late:.1f} %" for share in flows if share.late is not None]
            queue = f"{queue_bytes / 1e3:.0f} kB"
            yield _LABELS[company], queue, ", ".join(rates), ", ".join(times), ", ".join(late)

    head = "| on one link | queue | Mbit/s | p50, ms | over 100 ms |"
    return "\n".join(markdown_table(head, lines())) + "\n"


def table(shares: Sequence[LinkShare]) -> Table:
    """For the terminal, a line for each flow."""
    made = Table(title=f"shares of {LINK_BPS / 1e6:g} Mbit/s", box=box.SIMPLE)
    for name in ("beside", "queue, kB", "flow", "kbit/s", "p50, ms", "over 100 ms, %"):
        made.add_column(name, justify="right")
    for share in shares:
        made.add_row(
            share.company,
            f"{share.queue_bytes / 1e3:.0f}",
            share.flow,
            f"{share.bps / 1e3:.0f}",
            "" if share.p50 is None else f"{share.p50:.0f}",
            "" if share.late is None else f"{100.0 * share.late:.1f}",
        )
    return made


def _by_link(
    shares: Sequence[LinkShare],
) -> Iterator[tuple[tuple[str, int], list[LinkShare]]]:
    for link in dict.fromkeys((share.company, share.queue_bytes) for share in shares):
        yield link, [share for share in shares if (share.company, share.queue_bytes) == link]
