"""What ends an episode is what the traffic law counts."""

import numpy as np
import pytest

from rilaas.core import Prediction
from rilaas.evaluate.driving import Scenario, Suite, run_suite
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.objective.constants import Constants
from rilaas.evaluate.driving.road.actor import DUCKIEBOT
from rilaas.evaluate.driving.scenario.surroundings import Obstacle
from rilaas.evaluate.driving.world.world import World
from tests.evaluate.driving.drives import RIGHT

START = (0.75, RIGHT, 0.0)


class StraightOn:
    """Drives straight on at 0.3 m/s at most."""

    signature = DRIVING_SIGNATURE

    def predict(self, inputs, *, deadline_s=None):
        return Prediction({"wheels": np.full((1, 2), 0.5, np.float32)})

    def reset(self):
        pass


def passing(gap_m):
    """A barrier along the lane that is passed at this distance, on a straight road."""
    width_m = World(Scenario("s", "oval", 1, obstacles=(Obstacle("barrier", (1.2, 0.0, 0.0)),))).actors[0].width_m
    left_m = 0.5 * (DUCKIEBOT.width_m + width_m) + gap_m
    barrier = Obstacle("barrier", (1.2, RIGHT + left_m, 0.0))
    return Scenario("s", "oval", 1, duration_s=3.0, start=START, end=("collision",), obstacles=(barrier,))


@pytest.mark.parametrize(
    ("gap_m", "contact_m", "status"),
    [
        (0.003, 0.005, "collision"),
        (0.007, 0.005, "completed"),
        (0.003, 0.001, "completed"),
        (0.007, 0.01, "collision"),
    ],
)
def test_the_end_rule_and_the_cost_of_collisions_know_one_distance(gap_m, contact_m, status):
    """Passed at 3 mm it is a collision below epsilon = 5 mm for both, and for neither where epsilon is 1 mm."""
    suite = Suite("s", "", (passing(gap_m),), constants=Constants(contact_m=contact_m))
    (episode,) = run_suite(StraightOn(), suite).episodes
    assert episode.status == status
    assert episode.metrics["collision_cost"] == (Constants().nu if status == "collision" else 0.0)
