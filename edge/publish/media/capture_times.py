"""When a live source's frames were captured, on this machine's clock. Pure: times are arguments.

A frame's presentation time tells when it was captured relative to other frames. What it is on this
machine's clock is known from the camera's own wall clock (RTCP sender reports), where the two
clocks agree; else from the frame of the last seconds that took the shortest time to arrive, so that
only this shortest time is missing.
"""

from __future__ import annotations

from typing import Literal

from edge.base.sliding_windows import MinimumWindow

Source = Literal["camera", "arrival"]
Choice = Literal["auto", "camera", "arrival"]

WINDOW_MS = 10_000.0
CLOCK_ERROR_MS = 20.0  # by which a capture may seem to follow its arrival
PLAUSIBLE_MS = 1_000.0  # a camera that seems further behind has another time, not a long way
STEP_MS = 1_000.0  # by which presentation times jump when the source starts anew


class CaptureTimes:
    """One source's clock. Times are Unix ms, but for the source's own presentation times."""

    def __init__(self, choice: Choice = "auto") -> None:
        self.source: Source = "arrival"
        self.camera_delay_ms: float | None = None
        """How long ago the last frame was captured at its arrival, by the camera's clock."""
        self._choice = choice
        self._window = MinimumWindow(WINDOW_MS)
        self._last_offset_ms: float | None = None
        self._camera_offset_ms: float | None = None

    def restart(self) -> None:
        """The source's clock has stepped: what was known of it is of no use."""
        self._window = MinimumWindow(WINDOW_MS)
        self._camera_offset_ms = None

    def captured_ms(
        self, pts_ms: float, arrival_ms: float, camera_ms: float | None = None
    ) -> float:
        """A frame's capture time; `camera_ms` is the camera's own word for it, if there is one."""
        offset_ms = arrival_ms - pts_ms
        if self._last_offset_ms is not None and abs(offset_ms - self._last_offset_ms) > STEP_MS:
            self.restart()
        self._last_offset_ms = offset_ms
        self._window.add(offset_ms, arrival_ms)
        if camera_ms is not None:
            self._camera_offset_ms = camera_ms - pts_ms
        if self._camera_offset_ms is not None:
            delay_ms = offset_ms - self._camera_offset_ms
            self.camera_delay_ms = delay_ms
            plausible = -CLOCK_ERROR_MS <= delay_ms <= PLAUSIBLE_MS
            if self._choice == "camera" or (self._choice == "auto" and plausible):
                self.source = "camera"
                return min(arrival_ms, pts_ms + self._camera_offset_ms)
        self.source = "arrival"
        least_ms = self._window.minimum()
        assert least_ms is not None
        return pts_ms + least_ms
