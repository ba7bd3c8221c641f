"""Where tracked boxes are expected: a Kalman filter with constant velocity, for all tracks at once.

The four coordinates (centre and size) are filtered apart from each other, so that every step is a
few operations on arrays of (tracks, 4). Positions are fractions of the picture, so that a picture
of another size changes nothing; times are seconds. Noise is in proportion to the box's own size,
as in SORT (Bewley et al., 2016), and grows with time, not with frames: frames may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MEASURED = np.array([0.05, 0.05, 0.08, 0.08])  # standard deviation of a box, of its sizes
_START_SPEED = np.array([1.5, 1.5, 0.0, 0.0])  # of a new track, sizes a second
_ACCELERATION = np.array([1.0, 1.0, 0.0, 0.0])  # sizes / s^1.5
_DRIFT = np.array([0.0, 0.0, 0.3, 0.3])  # of the size itself, sizes / s^0.5
_MEASURED_2, _ACCELERATION_2, _DRIFT_2 = _MEASURED**2, _ACCELERATION**2, _DRIFT**2
_SMALLEST = 1e-4  # of a box's side


@dataclass(slots=True)
class Motion:
    """Estimates of all tracks, a row each; columns: centre x and y, width, height.

    `at_s` (tracks,) is the time of each row's estimate, `speed` is a second.
    """

    at_s: Floats
    place: Floats
    speed: Floats
    place_var: Floats
    both_var: Floats
    speed_var: Floats

    @classmethod
    def of(cls, at_s: float, places: Floats) -> Motion:
        """New tracks of boxes seen at `at_s`; nothing is known of their speed."""
        scale = _scale(places)
        return cls(
            np.full(len(places), at_s),
            places.copy(),
            np.zeros_like(places),
            (_MEASURED * scale) ** 2,
            np.zeros_like(places),
            (_START_SPEED * scale) ** 2,
        )

    def __len__(self) -> int:
        return len(self.at_s)

    def places_at(self, at_s: float) -> Floats:
        """Where the boxes are expected (tracks, 4); the estimates stay as they are."""
        return self.place + self.speed * (at_s - self.at_s)[:, None]

    def update(self, rows: NDArray[np.intp], at_s: float, places: Floats) -> None:
        """Boxes seen at `at_s`, one for each of `rows`, not before these rows' estimates."""
        dt = (at_s - self.at_s[rows])[:, None]
        scale = _scale(places)
        square = scale * scale
        noise = _ACCELERATION_2 * square
        place_var, both_var = self.place_var[rows], self.both_var[rows]
        speed, speed_var = self.speed[rows], self.speed_var[rows]
        expected = self.place[rows] + speed * dt
        place_var = place_var + dt * (2.0 * both_var + dt * speed_var)
        grown = noise * dt
        place_var += grown * (dt * dt / 3.0) + (_DRIFT_2 * dt) * square
        both_var = both_var + dt * speed_var + grown * (dt / 2.0)
        speed_var = speed_var + grown
        total = place_var + _MEASURED_2 * square
        gain, speed_gain = place_var / total, both_var / total
        surprise = places - expected
        self.at_s[rows] = at_s
        self.place[rows] = expected + gain * surprise
        self.speed[rows] = speed + speed_gain * surprise
        left = 1.0 - gain
        self.place_var[rows] = left * place_var
        self.both_var[rows] = left * both_var
        self.speed_var[rows] = speed_var - speed_gain * both_var

    def keep(self, rows: NDArray[np.bool_]) -> None:
        """Forget the other rows."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name)[rows])

    def append(self, other: Motion) -> None:
        """Add the other's rows at the end."""
        for each in fields(self):
            mine, more = getattr(self, each.name), getattr(other, each.name)
            setattr(self, each.name, np.concatenate((mine, more)))


def _scale(places: Floats) -> Floats:
    """The size that each coordinate is measured by: the width, or the height."""
    return np.maximum(places[:, [2, 3, 2, 3]], _SMALLEST)
