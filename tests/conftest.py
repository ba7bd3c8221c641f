"""What all tests share."""

from hypothesis import HealthCheck, settings

# A slow machine is no failure: speed is judged by the benchmarks.
settings.register_profile("edge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("edge")
