"""The simulators by name."""

from __future__ import annotations

from functools import partial

from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.evaluate.driving.world.simulator import SimulatorOf
from rilaas.evaluate.driving.world.world import tile_world

SIMULATORS = ("tile-world", "gym-duckietown", "carla")
"""Ours, and two of other people behind the same protocol."""

CARLA_ADDRESS = "127.0.0.1:2000"


def simulator_named(text: str) -> SimulatorOf:
    """What opens a simulator.

    Args:
        text: One of ``SIMULATORS``; ``carla`` may be followed by its server's address, ``carla:HOST:PORT``.

    Raises:
        NotFound: There is no such simulator.
        InvalidInput: The address is none.
    """
    name, _, address = text.partition(":")
    if name not in SIMULATORS:
        raise NotFound(f"There is no simulator {name!r}. {did_you_mean(name, SIMULATORS)}")
    if name == "carla":
        from rilaas.evaluate.driving.simulator.carla import open_carla

        return partial(open_carla, address=_checked(address or CARLA_ADDRESS))
    if address:
        raise InvalidInput(f"{text!r}: {name} has no address; it runs in this process.", f"Write {name}.")
    if name == "gym-duckietown":
        from rilaas.evaluate.driving.simulator.gym_duckietown import open_gym_duckietown

        return open_gym_duckietown
    return tile_world


def _checked(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise InvalidInput(
            f"{address!r} is not the address of a server.", f"Write HOST:PORT, such as {CARLA_ADDRESS}."
        )
    return host, int(port)
