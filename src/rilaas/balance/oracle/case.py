"""A case that is small enough to be solved exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.core import InvalidInput


@dataclass(frozen=True, slots=True)
class Station:
    """One server of the case: slots with exponential service and one queue, first come, first served.

    Attributes:
        slots: Inferences that run at once, c.
        service_s: Mean of the exponential service time [s].
        network_s: Constant round trip that an answer from here costs in addition [s]. It is spent after service:
            whoever chooses knows who is on the server at that moment.
        name: As the simulator and the interceptor call it.
    """

    slots: int
    service_s: float
    network_s: float = 0.0
    name: str = ""

    def __post_init__(self) -> None:
        if self.slots < 1:
            raise InvalidInput(f"A server has at least 1 slot; got {self.slots}.")
        if not (math.isfinite(self.service_s) and self.service_s > 0.0):
            raise InvalidInput(f"A mean service time is above 0 s; got {self.service_s:g}.")
        if not (math.isfinite(self.network_s) and self.network_s >= 0.0):
            raise InvalidInput(f"A network time is at least 0 s; got {self.network_s:g}.")

    @property
    def capacity_per_s(self) -> float:
        """Requests that it answers a second when all slots work [1/s]."""
        return self.slots / self.service_s


@dataclass(frozen=True, slots=True)
class SmallCase:
    """One model on a few servers, Poisson arrivals, exponential service.

    Attributes:
        arrival_per_s: Rate of the Poisson arrivals [1/s].
        stations: Two or three servers; unnamed ones are called ``s0``, ``s1``, ...
    """

    arrival_per_s: float
    stations: tuple[Station, ...]

    def __post_init__(self) -> None:
        if not 2 <= len(self.stations) <= 3:
            raise InvalidInput(f"An exact solution takes 2 or 3 servers; got {len(self.stations)}.")
        if not (math.isfinite(self.arrival_per_s) and self.arrival_per_s > 0.0):
            raise InvalidInput(f"An arrival rate is above 0 per second; got {self.arrival_per_s:g}.")
        if self.load >= 1.0:
            raise InvalidInput(
                f"A load of {self.load:g} grows for ever on any policy.",
                f"The arrival rate has to be below {self.capacity_per_s:g} per second.",
            )
        if len(set(self.names)) < len(self.stations):
            raise InvalidInput(f"Servers need different names; got {', '.join(self.names)}.")

    @classmethod
    def at_load(cls, load: float, stations: Sequence[Station]) -> SmallCase:
        """The case whose arrivals are this share of what the servers can answer together."""
        return cls(load * sum(station.capacity_per_s for station in stations), tuple(stations))

    @property
    def capacity_per_s(self) -> float:
        """Requests that all servers answer a second when all slots work [1/s]."""
        return sum(station.capacity_per_s for station in self.stations)

    @property
    def load(self) -> float:
        """Arrivals as a share of the capacity."""
        return self.arrival_per_s / self.capacity_per_s

    @property
    def names(self) -> tuple[str, ...]:
        """The servers' names, in order."""
        return tuple(station.name or f"s{index}" for index, station in enumerate(self.stations))
