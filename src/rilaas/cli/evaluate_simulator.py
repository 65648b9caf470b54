"""``rilaas evaluate --simulator``: whose world it is."""

from __future__ import annotations

TILE_WORLD = "tile-world"


def in_world(simulator: str) -> str:
    """What is said of a run: nothing in our own world, ", in gym-duckietown" in another."""
    return "" if simulator == TILE_WORLD else f", in {simulator}"


def as_flag(simulator: str) -> str:
    """What a command line needs to be driven there again."""
    return "" if simulator == TILE_WORLD else f" --simulator {simulator}"


def check_simulator_is_there(text: str) -> str:
    """Find out before the drive whether a simulator can be had.

    Args:
        text: See ``simulator_named``.

    Returns:
        The same.

    Raises:
        NotFound: There is no such simulator.
        InvalidInput: Its address is none.
        MissingDependency: Its package is not installed; the hint installs it.
    """
    from rilaas.evaluate.driving.simulator.registry import simulator_named

    simulator_named(text)
    if text == "gym-duckietown":
        from rilaas.evaluate.driving.simulator.gym_duckietown import import_engine

        import_engine()
    if text.startswith("carla"):
        from rilaas.evaluate.driving.simulator.carla import import_carla

        import_carla()
    return text
