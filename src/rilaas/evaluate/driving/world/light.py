"""Traffic lights: who has green when, as a function of simulated time alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rilaas.evaluate.driving.road.actor import GREEN, RED, YELLOW
from rilaas.evaluate.driving.road.stop_line import StopLine
from rilaas.evaluate.driving.scenario.surroundings import Lights


class LightPlan:
    """The lights of one crossing: one approach after the other has green, then yellow; then all have red.

    Phases begin at whole microseconds, so that no time step can miss one.

    Args:
        lines: The approaches' lines.
        lights: How long the phases are.
        offset_s: Where in the cycle it is at time 0 [s].
    """

    def __init__(self, lines: Sequence[StopLine], lights: Lights, offset_s: float = 0.0) -> None:
        # Headings rise counter-clockwise; 180 degrees may be either of -pi and pi.
        self.lines = tuple(sorted(lines, key=lambda line: (round(line.pose[2] % math.tau, 3), line.pose)))
        self._green, self._yellow, red = (_us(each) for each in (lights.green_s, lights.yellow_s, lights.all_red_s))
        self._phase = self._green + self._yellow + red
        self._offset = _us(offset_s)

    @property
    def cycle_s(self) -> float:
        """Until all begins again [s]."""
        return self._phase * len(self.lines) * 1e-6

    def state(self, line: StopLine, t_s: float) -> int:
        """``GREEN``, ``YELLOW`` or ``RED`` at a time [s]."""
        turn, within = divmod((_us(t_s) + self._offset) % (self._phase * len(self.lines)), self._phase)
        if self.lines[turn] != line or within >= self._green + self._yellow:
            return RED
        return GREEN if within < self._green else YELLOW


def _us(time_s: float) -> int:
    return round(time_s * 1e6)
