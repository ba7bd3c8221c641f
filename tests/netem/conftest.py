"""What a kernel test needs, and what a link may not leave behind."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator

import pytest
from pyroute2 import IPRoute

from netem.links.emulated_link import EmulatedLink, Kind
from netem.links.namespace import RUN, LinkError, missing
from traces import constant

KINDS: tuple[Kind, ...] = ("kernel", "tun")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel"):
        lack = missing() or _lacks_a_kind()
        if lack:
            pytest.skip(lack)


@functools.cache
def _lacks_a_kind() -> str | None:
    for kind in KINDS:
        try:
            with EmulatedLink(constant(1e6), kind=kind):
                pass
        except LinkError as error:
            return str(error)
    return None


def left_by(pid: int | str) -> list[str]:
    """Namespaces and interfaces of an owner."""
    spaces = [path.name for path in RUN.glob(f"edgelab-{pid}-*")]
    with IPRoute() as route:
        names = [str(link.get_attr("IFLA_IFNAME")) for link in route.get_links()]
    return spaces + [n for n in names if n.startswith((f"el{pid}i", f"el{pid}o"))]


@pytest.fixture
def no_trace_left() -> Iterator[None]:
    """Nothing of this process's is there afterwards."""
    yield
    assert left_by(os.getpid()) == []
