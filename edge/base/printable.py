"""Text that others chose, for terminals and logs."""

from __future__ import annotations

from collections.abc import Callable


def printable(text: str, written: Callable[[str], str] = ascii) -> str:
    """The text with what is `written` between quotes for each character that no reader can see.

    A terminal obeys control characters, and a file takes no half of a surrogate pair.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else written(each)[1:-1] for each in text)
