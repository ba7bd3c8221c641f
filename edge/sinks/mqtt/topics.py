"""Names of MQTT topics. Pure.

Labels come from publishers: a `/`, `+` or `#` in one must not reach another's topics.
"""

from __future__ import annotations

import re

_NO_LEVEL = re.compile(r"[/+#\x00-\x1f\x7f]")


def level(text: str) -> str:
    """The text as one level of a topic."""
    return _NO_LEVEL.sub("_", text)


def results(prefix: str, label: str, session: str) -> str:
    """Where a session's results go: by its label, or by its name without one."""
    return f"{prefix}/{level(label or session)}/results"


def events(prefix: str, label: str, session: str) -> str:
    """Where what happens in a session's zones and at its lines goes."""
    return f"{prefix}/{level(label or session)}/events"


def status(prefix: str) -> str:
    """Whether the server is connected: `online` or `offline`, retained."""
    return f"{prefix}/status"


def gap(prefix: str) -> str:
    """What was lost."""
    return f"{prefix}/gap"


def label_status(prefix: str, label: str) -> str:
    """Whether a session of this label is there: `online` or `offline`, retained."""
    return f"{prefix}/{level(label)}/status"


def label_counts(prefix: str, label: str) -> str:
    """Its boxes by class, retained."""
    return f"{prefix}/{level(label)}/counts"
