import math

import pytest

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import Scenario, Spawn


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"appearance": "variedd"}, "Did you mean 'varied'"),
        ({"seed": -1}, "a seed is a whole number >= 0"),
        ({"dt_s": 0.0}, "a step is from 0.001 to 1 s"),
        ({"dt_s": math.nan}, "a step is from 0.001 to 1 s"),
        ({"duration_s": 0.01}, "from dt_s to one day"),
        ({"duration_s": math.inf}, "from dt_s to one day"),
        ({"command_delay_s": -0.1}, "command_delay_s = -0.1; it is a number >= 0"),
        ({"wheel_gain_spread": math.inf}, "wheel_gain_spread = inf"),
        ({"camera_noise": math.nan}, "camera_noise = nan"),
        ({"start": (0.0, 0.0, math.nan)}, "it is (x [m], y [m], heading [rad])"),
    ],
)
def test_a_scenario_that_makes_no_sense_is_refused(fields, message):
    with pytest.raises(InvalidInput) as error:
        Scenario(**{"name": "s", "map": "oval", "seed": 1, **fields})
    assert message in str(error.value)


@pytest.mark.parametrize("fields", [{"lateral_tolerance_m": -0.1}, {"heading_tolerance_rad": 4.0}])
def test_a_spawn_rule_that_makes_no_sense_is_refused(fields):
    with pytest.raises(InvalidInput, match=next(iter(fields))):
        Spawn(**fields)
