"""What a kernel test needs, and what a link may not leave behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from netem.namespace import RUN, missing


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel"):
        lack = missing() or (None if Path("/dev/net/tun").exists() else "needs /dev/net/tun")
        if lack:
            pytest.skip(lack)


def left_by(pid: int | str) -> list[str]:
    """Namespaces and interfaces of an owner."""
    spaces = [path.name for path in RUN.glob(f"edgelab-{pid}-*")]
    with IPRoute() as route:
        names = [str(link.get_attr("IFLA_IFNAME")) for link in route.get_links()]
    return spaces + [n for n in names if n.startswith((f"el{pid}i", f"el{pid}o"))]


@pytest.fixture
def no_trace_left() -> Iterator[None]:
    """Nothing of this process's is there afterwards."""
    import os

    yield
    assert left_by(os.getpid()) == []
