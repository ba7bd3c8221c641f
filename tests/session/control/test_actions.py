"""An operator's actions: their JSON, and invalid ones."""

from __future__ import annotations

import pytest

from edge.profile.variant import SENT_LONG_SIDES
from edge.session.control.actions import (
    ActionError,
    EndSession,
    PinLongSide,
    PinVariant,
    SetSlo,
    read,
)


def test_each_kind_is_read() -> None:
    assert read('{"kind": "slo", "slo_ms": 250.0}') == SetSlo(slo_ms=250.0)
    assert read('{"kind": "variant", "variant": "yolov4-tiny-416"}') == PinVariant(
        variant="yolov4-tiny-416"
    )
    assert read('{"kind": "variant", "variant": null}') == PinVariant(variant=None)
    assert read('{"kind": "end"}') == EndSession()


def test_a_pinned_size_is_called_edge_in_json() -> None:
    action = read('{"kind": "size", "edge": 320}')
    assert isinstance(action, PinLongSide)
    assert action.long_side == 320
    assert action.model_dump() == {"kind": "size", "edge": 320}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "json"),
        ("{}", "kind"),
        ('{"kind": "explode"}', "explode"),
        ('{"kind": "slo", "slo_ms": 19}', "`slo.slo_ms`"),
        ('{"kind": "slo", "slo_ms": "200"}', "`slo.slo_ms`"),
        ('{"kind": "size", "edge": 200}', f"one of {SENT_LONG_SIDES[0]}"),
        ('{"kind": "size", "long_side": 320}', "edge"),
        ('{"kind": "variant", "variant": "yolov9"}', "variant"),
        ('{"kind": "end", "really": true}', "really"),
    ],
)
def test_a_bad_action_is_named(text: str, words: str) -> None:
    with pytest.raises(ActionError, match=words):
        read(text)
