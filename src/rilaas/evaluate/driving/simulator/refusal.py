"""What other people's simulators cannot be asked for."""

from __future__ import annotations

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.scenario.scenario import Scenario


def refuse_others(scenario: Scenario, simulator: str) -> None:
    """Refuse a scenario with others on the road, or with lights.

    Args:
        scenario: What shall be run.
        simulator: What messages call the simulator.

    Raises:
        InvalidInput: Naming what there is.
    """
    asked = {
        "traffic": scenario.traffic.vehicles,
        "duckies": scenario.duckies.standing + scenario.duckies.crossing,
        "lights": scenario.lights.crossings,
        "obstacles": len(scenario.obstacles),
    }
    if found := [name for name, count in asked.items() if count]:
        raise InvalidInput(
            f"Scenario {scenario.name!r} has {' and '.join(found)}, which {simulator} does not run by our rules.",
            "Drive it in the tile world, or choose a suite without, such as lf.",
        )
