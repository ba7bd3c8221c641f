"""Results of the rate benchmark to test with."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.bench.rate.figures import RateFigures
from analysis.bench.rate.results import RateCell, RateResult

FIGURES = RateFigures(
    frames=900,
    p50=8.04,
    p99=60.0,
    worst=math.inf,
    late=(0.02, 0.01, 0.0),
    late_feasible=(0.015, 0.005, 0.0),
    infeasible=(0.01, 0.005, 0.0),
    bps=1e6,
    qp=25.2,
    unsent=0.001,
)
LTE = RateCell("traces", "lte", 60.0, 1.2e6, 15)
OURS = RateResult(LTE, "receiver", FIGURES, (0.005, 1.1e6))
THEIRS = replace(
    OURS, controller="transport-cc", figures=replace(FIGURES, late_feasible=(0.2, 0.1, 0.05))
)
STEP = RateCell("steps", "8-1-8", 30.0, 4e6, 30)
