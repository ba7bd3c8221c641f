"""Flags that both commands share."""

from __future__ import annotations

import argparse

import pytest

from profiles.arguments import any_device, command_line, positive, torch_device


def test_devices() -> None:
    assert [torch_device("cpu"), torch_device("cuda:1")] == ["cpu", "cuda:1"]
    assert any_device("sim:a.json") == "sim:a.json"
    for parse, text in ((torch_device, "sim:a.json"), (any_device, "tpu"), (any_device, "sim:")):
        with pytest.raises(argparse.ArgumentTypeError):
            parse(text)


def test_counts_are_positive_and_bounded() -> None:
    assert positive("100000") == 100_000
    for text in ("0", "-1", "100001"):
        with pytest.raises(argparse.ArgumentTypeError):
            positive(text)


def test_a_files_commands_are_listed_once_each_the_last_one_last() -> None:
    first = command_line(["latency", "--out", "a b.json"])
    assert first == "python -m profiles latency --out 'a b.json'"
    second = command_line(["latency", "--quick"], first)
    assert second == f"{first}; python -m profiles latency --quick"
    again = command_line(["latency", "--out", "a b.json"], second)
    assert again == f"python -m profiles latency --quick; {first}"
