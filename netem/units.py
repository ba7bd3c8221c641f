"""Rates, times and shares in command-line notation."""

from __future__ import annotations

import argparse
import math
import re

RATES = {"bit": 1.0, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
TIMES = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def rate_bps(text: str) -> float:
    """`8mbit`, `500kbit`: bit/s. Raises ValueError."""
    value = _value(text, RATES)
    if not 1e3 <= value <= 1e11:
        raise ValueError(f"{text}: from 1kbit to 100gbit")
    return value


def time_ms(text: str) -> float:
    """`20ms`, `0.5s`: ms. Raises ValueError."""
    value = _value(text, TIMES)
    if value > 60_000.0:
        raise ValueError(f"{text}: a minute at most")
    return value


def share(text: str) -> float:
    """`1%` or `0.01`: from 0 to 1. Raises ValueError."""
    value = _value(text, {"%": 0.01, "": 1.0})
    if value > 1.0:
        raise ValueError(f"{text}: 100% at most")
    return value


def count(text: str) -> int:
    """An option's whole number from 1 on. Raises argparse's error, which has the rule."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: at least 1")
    return number


def _value(text: str, units: dict[str, float]) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)([a-z%]*)", text.strip().lower())
    if match is None or match[2] not in units or not math.isfinite(float(match[1])):
        raise ValueError(f"{text}: a number and a unit of {', '.join(u or 'none' for u in units)}")
    return float(match[1]) * units[match[2]]
