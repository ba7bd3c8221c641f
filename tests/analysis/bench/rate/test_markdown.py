"""The rate benchmark's tables in Markdown."""

from __future__ import annotations

import math
from dataclasses import replace

from analysis.bench.rate.markdown import markdown
from analysis.bench.rate.results import RateResult
from tests.analysis.bench.rate.results import FIGURES, OURS, STEP, THEIRS


def test_tables_show_every_cell_and_what_broke() -> None:
    steps = replace(FIGURES, step_worst=360.0, recovery_ms=math.nan, used=0.9, start_bps=3e6)
    text = markdown([OURS, THEIRS, RateResult(STEP, "receiver", steps, (0.0, 0.0))])
    late = "1.50 / 0.50 / 0.00 % | 0.5 % | 0.1 %"
    assert f"| lte, 1.2 | receiver | 8 / 60 | {late} | 1,000 | 25 |" in text
    assert "|  | oracle |  | 0.5 % in all |  |  | 1,100 |  |" in text
    assert "| transport-cc | 90 | 10.0 % | 1,000 |" in text  # 900 frames, 0.5 % infeasible
    assert "| 4 Mbit/s, 30 a second | receiver | 8 / 60 | 360 | never |" in text
    assert "Of 5 promises 4 were kept" in text
    assert "- 8-1-8, 30/s, cap 4: worst at the step under 350 ms" in text
