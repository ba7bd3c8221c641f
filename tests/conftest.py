"""What all tests share."""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.network_lock import network

# A slow machine is no failure: speed is judged by the benchmarks. Under CI the examples are the
# same each time, so that a change is judged by what it changed; elsewhere they go on searching.
settings.register_profile(
    "edge",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("edge")

# Hundreds of programs start in these tests: each would compile all its modules anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# What a server keeps (logins, its authority) is of this run alone, and nobody's own.
if "EDGE_DATA" not in os.environ:
    os.environ["EDGE_DATA"] = tempfile.mkdtemp(prefix="edge-data-")
    atexit.register(shutil.rmtree, os.environ["EDGE_DATA"], ignore_errors=True)
elif "PYTEST_XDIST_WORKER" in os.environ:  # a history is open in one server at a time
    os.environ["EDGE_DATA"] += "/" + os.environ["PYTEST_XDIST_WORKER"]

# Shells start background jobs with SIGINT ignored, and children would inherit that: tests that
# interrupt a program with it would wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Tests that make links run beside none that drives a browser."""
    changes = item.get_closest_marker("kernel") is not None
    if not changes and item.get_closest_marker("browser") is None:
        return (yield)
    with network(changes=changes):
        return (yield)
