"""All attacks, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence

from tests.hostile.attack import Attack
from tests.hostile.attacks import control, floods, http, ice, rtp, sctp

ATTACKS: Sequence[Attack] = (
    *sctp.ATTACKS,
    *ice.ATTACKS,
    *rtp.ATTACKS,
    *control.ATTACKS,
    *http.ATTACKS,
    *floods.ATTACKS,
)
