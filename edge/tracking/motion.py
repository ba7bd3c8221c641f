"""Where a tracked box is expected: a Kalman filter with constant velocity.

Horizontal and vertical are filtered apart from each other, and the size, which has no speed, apart
from the place. So an axis needs no matrices: a picture has few boxes, for which plain numbers take
a tenth of the time of arrays. Positions are fractions of the picture, so that a picture of another
size changes nothing; times are seconds. Noise is in proportion to the box's own size, as in SORT
(Bewley et al., 2016), and grows with time, not with frames: frames may be missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.tracking.overlap import Corners

# Variances, in the square of the box's own size.
_CENTRE_2, _SIZE_2 = 0.05 * 0.05, 0.08 * 0.08  # of a box that was seen
_START_SPEED_2 = 1.5 * 1.5  # of a new track's speed, a second
_ACCELERATION_2 = 1.0  # of the speed, a second
_DRIFT_2 = 0.3 * 0.3  # of the size itself, a second
_SMALLEST = 1e-4  # of a box's side


@dataclass(slots=True)
class AxisMotion:
    """A box along one axis: its centre, the centre's speed a second, and its size.

    `both_var` is the covariance of centre and speed.
    """

    centre: float
    size: float
    speed: float
    centre_var: float
    both_var: float
    speed_var: float
    size_var: float

    @classmethod
    def of(cls, low: float, high: float) -> AxisMotion:
        """A box that is seen for the first time; nothing is known of its speed."""
        size = high - low
        scale = size if size > _SMALLEST else _SMALLEST
        square = scale * scale
        speed_var = _START_SPEED_2 * square
        return cls(
            (low + high) / 2.0, size, 0.0, _CENTRE_2 * square, 0.0, speed_var, _SIZE_2 * square
        )

    def update(self, dt_s: float, low: float, high: float) -> None:
        """The box is seen `dt_s`, not below 0, after the estimate."""
        size = high - low
        scale = size if size > _SMALLEST else _SMALLEST
        square = scale * scale
        grown = _ACCELERATION_2 * square * dt_s
        both_var, speed_var = self.both_var, self.speed_var
        centre_var = (
            self.centre_var
            + dt_s * (2.0 * both_var + dt_s * speed_var)
            + grown * (dt_s * dt_s / 3.0)
        )
        both_var += dt_s * speed_var + grown * (dt_s / 2.0)
        total = centre_var + _CENTRE_2 * square
        gain, speed_gain = centre_var / total, both_var / total
        expected = self.centre + self.speed * dt_s
        surprise = (low + high) / 2.0 - expected
        self.centre = expected + gain * surprise
        self.speed += speed_gain * surprise
        self.centre_var = (1.0 - gain) * centre_var
        self.both_var = (1.0 - gain) * both_var
        self.speed_var = speed_var + grown - speed_gain * both_var
        size_var = self.size_var + _DRIFT_2 * dt_s * square
        gain = size_var / (size_var + _SIZE_2 * square)
        self.size += gain * (size - self.size)
        self.size_var = (1.0 - gain) * size_var


class Motion:
    """The estimate of one box; `at_s` is its time."""

    __slots__ = ("at_s", "x", "y")

    def __init__(self, at_s: float, corners: Corners) -> None:
        self.at_s = at_s
        x1, y1, x2, y2 = corners
        self.x, self.y = AxisMotion.of(x1, x2), AxisMotion.of(y1, y2)

    def expected(self, at_s: float) -> Corners:
        """Where the box is expected; the estimate stays as it is. A size below 0 is none."""
        dt_s, x, y = at_s - self.at_s, self.x, self.y
        half_x = x.size / 2.0 if x.size > 0.0 else 0.0
        half_y = y.size / 2.0 if y.size > 0.0 else 0.0
        centre_x, centre_y = x.centre + x.speed * dt_s, y.centre + y.speed * dt_s
        return centre_x - half_x, centre_y - half_y, centre_x + half_x, centre_y + half_y

    def update(self, at_s: float, corners: Corners) -> None:
        """The box is seen at `at_s`, not before the estimate."""
        dt_s, self.at_s = at_s - self.at_s, at_s
        x1, y1, x2, y2 = corners
        self.x.update(dt_s, x1, x2)
        self.y.update(dt_s, y1, y2)
