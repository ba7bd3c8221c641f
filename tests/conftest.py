"""What all tests share."""

import os
import signal

from hypothesis import HealthCheck, settings

# A slow machine is no failure: speed is judged by the benchmarks. Under CI the examples are the
# same each time, so that a change is judged by what it changed; elsewhere they go on searching.
settings.register_profile(
    "edge",
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("edge")

# Shells start background jobs with SIGINT ignored, and children would inherit that: tests that
# interrupt a program with it would wait in vain.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
