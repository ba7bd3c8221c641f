"""A session is placed by the measured load of the processes, and by numbers where that is alike."""

from __future__ import annotations

import math

from edge.ingest.pool import MIN_SESSION_LOAD, ProcessLoad, least_loaded


def test_the_least_loaded_process_takes_the_next_session() -> None:
    assert (
        least_loaded([ProcessLoad(0.6, 2, 0), ProcessLoad(0.4, 9, 0)]) == 1
    )  # by work, not by number
    assert least_loaded([ProcessLoad(0.02, 1, 0), ProcessLoad(0.08, 0, 0)]) == 1  # noise
    assert least_loaded([ProcessLoad(0.0, 0, 0), ProcessLoad(0.0, 0, 0)]) == 0
    assert least_loaded([ProcessLoad(0.0, 1, 1), ProcessLoad(0.0, 0, 0)]) == 1  # it will send soon
    # Sessions without a measured load are expected to be like the others.
    assert math.isclose(ProcessLoad(0.6, 4, 2).expected, 1.2)
    assert math.isclose(ProcessLoad(0.001, 2, 1).expected, 0.001 + MIN_SESSION_LOAD)
