"""Every constant of the traffic laws and of comfort, with its unit and the reason for its value.

The document (AI Driving Olympics, "Performance metrics") leaves all of them open but one, the 20 degrees. The unit of
cost is a second out of the lane; from there each rule of the hierarchy is made to cost about twice the one below it,
for the worst event of each that ``traffic_law.check_hierarchy`` tells.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Any

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.road.footprint import CONTACT_M


def _constant(value: float, unit: str, reason: str) -> Any:
    return field(default=value, metadata={"unit": unit, "reason": reason})


@dataclass(frozen=True, slots=True)
class Constants:
    """A suite may set each of them in its table ``[constants]``; every one is above 0.

    The fields' metadata hold ``unit`` and ``reason``; ``docs/metrics.md`` shows them as a table.

    Raises:
        InvalidInput: One is not a finite number above 0, or two of them are in the wrong order.
    """

    alpha_per_s: float = _constant(1.0, "1/s", "the unit of all costs: one second out of the lane")
    beta_per_m2_s: float = _constant(
        80.0, "1/(m^2 s)", "nearly no jump at the lane's edge: beta d_max^2 = 0.97 alpha"
    )
    gamma: float = _constant(20.0, "1", "twice the worst tailgating: stop lines go before distance")
    delta_per_m2_s: float = _constant(60.0, "1/(m^2 s)", "twice the worst departure: distance goes before the lane")
    nu: float = _constant(40.0, "1", "twice a stop line: collisions go before all else")
    d_safe_m: float = _constant(0.045, "m", "half a lane less half a body (0.11 - 0.065): a wheel touches the line")
    d_max_m: float = _constant(0.11, "m", "half a lane: the centre is out of it")
    stop_near_m: float = _constant(0.066, "m", "a: the axle is so far from the line when the front end is at it")
    stop_far_m: float = _constant(0.3, "m", "b: half a tile, so that the second in a queue has yet to stop")
    rest_speed_m_per_s: float = _constant(0.02, "m/s", "slower is at rest; a speed that only fades is never 0")
    rest_dwell_s: float = _constant(0.3, "s", "plain to see; who only turns back is at rest for some 10 ms")
    b_safe_m: float = _constant(
        0.36,
        "m",
        "a body (0.18) and the way to stop at 0.3 m/s: 0.15 s until the wheels obey, "
        "0.25 s to see, 0.2 s in which the speed fades",
    )
    touch_m: float = _constant(0.18, "m", "a body's length: two in a lane touch, the worst tailgating")
    contact_m: float = _constant(
        CONTACT_M,
        "m",
        "epsilon: near zero, above what rounding and a push make of it; the end rule's too",
    )
    release_m: float = _constant(0.02, "m", "a gap that one sees: only after it one can collide with the same again")
    collision_interval_s: float = _constant(2.0, "s", "t_k: the time to back off by a body's length")
    good_heading_rad: float = _constant(math.radians(20.0), "rad", "the document's own 20 degrees")
    departure_s: float = _constant(5.0, "s", "for the hierarchy: the worst departure, 2.5 tiles at 0.3 m/s")
    tailgating_s: float = _constant(5.0, "s", "for the hierarchy: the worst tailgating, as long as the departure")
    motion_period_s: float = _constant(0.1, "s", "over which speeds are differentiated, whatever the time step")

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InvalidInput(f"The constant {each.name} is {value!r}; it is a number.")
            if not (math.isfinite(value) and value > 0.0):
                raise InvalidInput(f"The constant {each.name} is {value}; it is a number above 0.")
        for low, high in _IN_ORDER:
            if not getattr(self, low) < getattr(self, high):
                raise InvalidInput(
                    f"The constant {low} is {getattr(self, low)}, and {high} is {getattr(self, high)}; "
                    f"{low} is below {high}."
                )


_IN_ORDER = (
    ("d_safe_m", "d_max_m"),
    ("stop_near_m", "stop_far_m"),
    ("touch_m", "b_safe_m"),
    ("contact_m", "release_m"),
)
