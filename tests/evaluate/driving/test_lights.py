import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import Scenario, World, load_map, start_pose
from rilaas.evaluate.driving.road.actor import GREEN, RED, YELLOW
from rilaas.evaluate.driving.road.stop_line import stop_lines
from rilaas.evaluate.driving.scenario.surroundings import Lights, Traffic
from rilaas.evaluate.driving.world.dynamics import Motion
from rilaas.evaluate.driving.world.light import LightPlan
from rilaas.evaluate.driving.world.presence import FRONT_M
from rilaas.evaluate.driving.world.town import STEP_S, Town

FOUR_WAY = [line for line in stop_lines(load_map("crossings")) if line.cell == (2, 2)]
LIGHTS = Lights(-1, green_s=6.0, yellow_s=1.5, all_red_s=2.0)


def test_each_approach_has_green_then_yellow_then_all_have_red():
    """A phase is 6 + 1.5 + 2 = 9.5 s, the cycle of four 38 s. The approach that heads east (0 rad) is the first."""
    plan = LightPlan(FOUR_WAY, LIGHTS)
    east, north = plan.lines[:2]
    assert (math.cos(east.pose[2]), math.sin(north.pose[2])) == pytest.approx((1.0, 1.0))
    assert plan.cycle_s == pytest.approx(38.0)
    expected = {0.0: GREEN, 5.999: GREEN, 6.0: YELLOW, 7.499: YELLOW, 7.5: RED, 9.5: RED, 37.999: RED, 38.0: GREEN}
    assert {t_s: plan.state(east, t_s) for t_s in expected} == expected
    assert [plan.state(north, t_s) for t_s in (0.0, 9.499, 9.5, 15.5, 17.0)] == [RED, RED, GREEN, YELLOW, RED]


def test_an_offset_shifts_the_cycle():
    plan, shifted = LightPlan(FOUR_WAY, LIGHTS), LightPlan(FOUR_WAY, LIGHTS, 10.0)
    for k in range(100):
        for line in FOUR_WAY:
            assert shifted.state(line, 0.4 * k) == plan.state(line, 0.4 * k + 10.0)


@given(st.floats(0.0, 3600.0), st.floats(0.0, 38.0))
def test_at_any_time_at_most_one_approach_is_not_red(t_s, offset_s):
    plan = LightPlan(FOUR_WAY, LIGHTS, offset_s)
    assert sum(plan.state(line, t_s) != RED for line in FOUR_WAY) <= 1


@pytest.mark.parametrize("dt_s", [0.05, 1.0 / 15.0, 0.007])
def test_phases_do_not_depend_on_the_time_step(dt_s):
    """Whatever the steps are, at each stamp the light shows what the plan says for that time."""
    world = World(Scenario("test", "crossings", 1, dt_s=dt_s, lights=Lights(1, 0.5, 0.3, 0.2)))
    plan = next(crossing.plan for crossing in world.town.crossings if crossing.plan)
    seen = set()
    for _ in range(60):
        snapshot = world.advance((0.0, 0.0), world.ticks_per_frame)
        assert snapshot.signals == tuple(plan.state(line, world.t_s) for line in world.signals)
        seen |= set(snapshot.signals)
    assert RED in seen


def test_vehicles_enter_on_green_alone_or_on_yellow_when_they_cannot_stop():
    """Front ends pass lines; none of them does while its light is red."""
    scenario = Scenario("test", "town", 4, traffic=Traffic(5), lights=Lights(-1, green_s=4.0))
    tile_map = load_map("town")
    town = Town(scenario, tile_map, tuple(start_pose(tile_map, scenario).tolist()))
    passed, before = 0, {}
    for k in range(round(90.0 / STEP_S)):
        town.step(Motion(-5.0, -5.0), k * STEP_S)
        states = town.signal_states(k * STEP_S)
        for vehicle in town.others:
            x_m, y_m, heading = vehicle.pose
            front = x_m + FRONT_M * math.cos(heading), y_m + FRONT_M * math.sin(heading)
            for line, state in zip(town.signals, states, strict=True):
                ahead_m, left_m = line.see(*front)
                key = vehicle, line
                if before.get(key, -1.0) >= 0.0 > ahead_m > -0.05 and abs(left_m) < 0.05:
                    assert state != RED
                    passed += 1
                before[key] = ahead_m
    assert passed >= 5


def test_the_number_of_crossings_with_lights_is_chosen_and_which_ones_is_drawn():
    worlds = [World(Scenario("test", "town", seed, lights=Lights(2))) for seed in range(4)]
    cells = [{line.cell for line in world.signals} for world in worlds]
    assert {len(each) for each in cells} == {2}
    assert len({frozenset(each) for each in cells}) > 1
    assert len(World(Scenario("test", "town", 1, lights=Lights(-1))).signals) == len(stop_lines(load_map("town")))


def test_lights_for_more_crossings_than_there_are_are_refused():
    with pytest.raises(InvalidInput, match="Lights for 1 crossings, and map 'oval' has 0"):
        World(Scenario("test", "oval", 1, lights=Lights(1)))
