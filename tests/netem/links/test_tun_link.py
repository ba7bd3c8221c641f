"""Lines of orders from the owner, in whatever pieces they come."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from netem.links.tun_link import LineReader


@pytest.fixture
def pipe() -> Iterator[tuple[int, LineReader]]:
    reading, writing = os.pipe()
    yield writing, LineReader(reading)
    os.close(reading)


def test_a_line_is_taken_once_it_is_complete(pipe: tuple[int, LineReader]) -> None:
    writing, reader = pipe
    os.write(writing, b"on")
    assert reader.fill()
    assert reader.take() == b""
    os.write(writing, b"e\ntwo\nthr")
    assert reader.fill()
    assert [reader.take(), reader.take(), reader.take()] == [b"one", b"two", b""]
    os.close(writing)
    assert not reader.fill()


def test_waiting_ends_with_a_line_or_with_the_input(pipe: tuple[int, LineReader]) -> None:
    writing, reader = pipe
    os.write(writing, b"one\n")
    assert reader.wait() == b"one"
    os.close(writing)
    assert reader.wait() == b""
