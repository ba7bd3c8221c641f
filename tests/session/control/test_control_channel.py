"""Control messages within their limits, and the errors about others."""

from __future__ import annotations

from edge.session.control.control_channel import ControlChannel
from edge.session.control.control_messages import Applied


class Received:
    """A channel of two messages a second, and the errors that it reported."""

    def __init__(self) -> None:
        self.errors: list[tuple[str, str]] = []
        self.channel = ControlChannel(
            2, 40, lambda code, message: self.errors.append((code, message))
        )


def test_messages_are_parsed_and_unknown_types_ignored() -> None:
    received = Received()
    assert received.channel.read('{"type": "applied", "seq": 1}', 0.0) == Applied(
        type="applied", seq=1
    )
    assert received.channel.read('{"type": "new"}', 0.0) is None
    assert received.errors == []


def test_a_bad_message_is_reported_with_its_code() -> None:
    received = Received()
    assert received.channel.read("[]", 0.0) is None
    assert received.channel.read('{"type": "' + "x" * 100 + '"}', 0.0) is None
    assert [code for code, _ in received.errors] == ["not_an_object", "too_large"]
    assert "at most 40" in received.errors[1][1]


def test_messages_above_the_rate_are_dropped_and_reported_once_a_second() -> None:
    received = Received()
    text = '{"type": "applied", "seq": 1}'
    read = [received.channel.read(text, 0.0) is not None for _ in range(5)]
    assert read == [True, True, False, False, False]
    assert received.errors == [("too_many", "over 2 messages in a second")]
    assert received.channel.read(text, 1000.0) is not None
