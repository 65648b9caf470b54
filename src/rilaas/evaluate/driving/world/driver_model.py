"""How fast a driver goes behind somebody: the Intelligent Driver Model.

::

    a  = a_max (1 - (v / v0)^4 - (s* / s)^2)
    s* = s0 + max(0, v T + v (v - v_ahead) / (2 sqrt(a_max b)))

with s the gap between the bodies, v0 the wanted speed.
Source: M. Treiber, A. Hennecke, D. Helbing, "Congested traffic states in empirical observations and microscopic
simulations", Physical Review E 62, 2000, equations 2 and 3. The maximum with 0 is from the authors' later papers;
it keeps a driver from braking for one who draws away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DriverModel:
    """A driver. The defaults suit robots that go at 0.1 to 0.4 m/s.

    Attributes:
        headway_s: T: time to whoever is ahead [s].
        standstill_m: s0: gap between bodies that stand in a queue [m].
        acceleration_m_per_s2: a_max [m/s^2].
        braking_m_per_s2: b: a comfortable deceleration [m/s^2].
        hardest_m_per_s2: More than this is never braked [m/s^2].
    """

    headway_s: float = 0.7
    standstill_m: float = 0.08
    acceleration_m_per_s2: float = 0.4
    braking_m_per_s2: float = 0.5
    hardest_m_per_s2: float = 2.0

    def acceleration(self, speed: float, wanted: float, gap_m: float = math.inf, ahead: float = 0.0) -> float:
        """What to do now [m/s^2].

        Args:
            speed: v [m/s].
            wanted: v0 [m/s].
            gap_m: s; inf where nobody is ahead.
            ahead: Speed of whoever is ahead, along the same way [m/s].
        """
        free = 1.0 - (speed / max(wanted, 1e-3)) ** 4
        if math.isinf(gap_m):
            return max(-self.hardest_m_per_s2, self.acceleration_m_per_s2 * free)
        if gap_m <= 0.0:
            return -self.hardest_m_per_s2
        closing = speed * (speed - ahead) / (2.0 * math.sqrt(self.acceleration_m_per_s2 * self.braking_m_per_s2))
        asked_m = self.standstill_m + max(0.0, speed * self.headway_s + closing)
        return max(-self.hardest_m_per_s2, self.acceleration_m_per_s2 * (free - (asked_m / gap_m) ** 2))
