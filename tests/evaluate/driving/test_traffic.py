import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving import Scenario, World, load_map, start_pose
from rilaas.evaluate.driving.road.actor import DUCKIEBOT
from rilaas.evaluate.driving.road.footprint import gap_m
from rilaas.evaluate.driving.road.stop_line import stop_lines
from rilaas.evaluate.driving.scenario.surroundings import Duckies, Lights, Obstacle, Traffic
from rilaas.evaluate.driving.world.crossing import PATIENCE_S, crossings
from rilaas.evaluate.driving.world.driver_model import DriverModel
from rilaas.evaluate.driving.world.dynamics import Motion
from rilaas.evaluate.driving.world.presence import CLEARANCE_M, FRONT_M, Presence
from rilaas.evaluate.driving.world.town import STEP_S, Town
from rilaas.evaluate.driving.world.vehicle import STOP_BEFORE_M

OUT_OF_THE_WAY = Motion(-5.0, -5.0)


def town_of(map_name, seed, **others):
    scenario = Scenario("test", map_name, seed, **others)
    tile_map = load_map(map_name)
    return Town(scenario, tile_map, tuple(start_pose(tile_map, scenario).tolist()))


def run(town, duration_s, robot=OUT_OF_THE_WAY):
    """Let the others go on; after each step, the time."""
    for k in range(round(duration_s / STEP_S)):
        town.step(robot, k * STEP_S)
        yield k * STEP_S


def test_the_drivers_gap_in_steady_flow_is_the_papers():
    """At v = 0.15 behind one who drives 0.15, and v0 = 0.3: a = 0 where s = (s0 + v T) / sqrt(1 - (v / v0)^4)
    = (0.08 + 0.15 * 0.7) / sqrt(1 - 1/16) = 0.185 / 0.968246 = 0.191067 m."""
    model = DriverModel(headway_s=0.7, standstill_m=0.08)
    assert model.acceleration(0.15, 0.3, 0.191067, 0.15) == pytest.approx(0.0, abs=1e-5)
    assert model.acceleration(0.15, 0.3, 0.25, 0.15) > 0.0 > model.acceleration(0.15, 0.3, 0.15, 0.15)


def test_a_driver_brakes_harder_for_one_who_stands_than_for_one_who_drives_and_never_harder_than_it_can():
    model = DriverModel()
    assert model.acceleration(0.3, 0.3, 0.3, 0.0) < model.acceleration(0.3, 0.3, 0.3, 0.3) < 0.0
    assert model.acceleration(0.3, 0.3, 1e-6) == model.acceleration(0.3, 0.3, -0.1) == -model.hardest_m_per_s2
    assert model.acceleration(0.0, 0.3) == model.acceleration_m_per_s2


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from(["oval", "zigzag", "crossings", "town"]),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_the_others_never_come_nearer_to_each_other_or_to_the_robot_than_a_gap_that_is_no_contact(
    map_name, seed, in_the_way
):
    lights = Lights(1) if map_name in {"crossings", "town"} else Lights()
    town = town_of(
        map_name,
        seed,
        traffic=Traffic(4),
        duckies=Duckies(standing=1, crossing=2, pause_max_s=4.0),
        obstacles=(Obstacle(place="edge"), Obstacle("barrier")),
        lights=lights,
    )
    robot = Motion(*town.robot.pose) if in_the_way else OUT_OF_THE_WAY
    for t_s in run(town, 15.0, robot):
        if round(t_s / STEP_S) % 8:
            continue
        for one, other in combinations((town.robot, *town.others), 2):
            if math.dist(one.pose[:2], other.pose[:2]) < 0.3:
                assert gap_m(one.actor, one.pose, other.actor, other.pose) > CLEARANCE_M - 1e-6


def test_vehicles_drive_in_their_lanes_at_their_speeds():
    """Alone on the oval, a vehicle that wants 0.2 m/s has made nearly 0.2 * 30 = 6 m after 30 s, less the 0.1 m or so
    that it takes to get going."""
    town = town_of("oval", 3, traffic=Traffic(1, speed_min_m_per_s=0.2, speed_max_m_per_s=0.2))
    (vehicle,), way_m = town.others, 0.0
    before = vehicle.pose
    for _ in run(town, 30.0):
        way_m += math.dist(vehicle.pose[:2], before[:2])
        before = vehicle.pose
    assert way_m == pytest.approx(5.9, abs=0.12)


def test_a_vehicle_stops_behind_a_robot_that_stands_in_its_lane():
    """Its front end comes to rest at the driver's s0 = 0.08 m from the robot's rear end, or a little farther."""
    scenario = Scenario("test", "oval", 1, start=(1.2, 0.164, 0.0), traffic=Traffic(1))
    town = Town(scenario, load_map("oval"), (1.2, 0.164, 0.0))
    list(run(town, 90.0, Motion(1.2, 0.164, 0.0)))
    (vehicle,) = town.others
    if vehicle.pose[1] < 0.3:  # it drives the robot's way round
        assert gap_m(DUCKIEBOT, (1.2, 0.164, 0.0), vehicle.actor, vehicle.pose) == pytest.approx(0.09, abs=0.02)
        assert vehicle.speed_m_per_s < 0.01


@pytest.mark.parametrize("seed", [1, 2])
def test_vehicles_stand_at_red_lines_and_one_at_a_time_is_on_a_crossing(seed):
    town = town_of("crossings", seed, traffic=Traffic(5, dwell_s=1.0))
    lines = stop_lines(load_map("crossings"))
    stood_s = {(vehicle, line): 0.0 for vehicle in town.others for line in lines}
    entered = 0
    for _ in run(town, 60.0):
        assert all(len(crossing.inside) <= 1 for crossing in town.crossings)
        for vehicle in town.others:
            x_m, y_m, heading = vehicle.pose
            front = x_m + FRONT_M * math.cos(heading), y_m + FRONT_M * math.sin(heading)
            for line in lines:
                ahead_m, left_m = line.see(*front)
                if abs(left_m) > 0.05 or math.cos(heading - line.pose[2]) < 0.9:
                    continue
                if 0.0 <= ahead_m < STOP_BEFORE_M + 0.06 and vehicle.speed_m_per_s == 0.0:
                    stood_s[vehicle, line] += STEP_S
                elif -0.01 < ahead_m < 0.0:
                    assert stood_s[vehicle, line] >= 1.0 - STEP_S
                elif -0.2 < ahead_m < -0.1:
                    entered += stood_s[vehicle, line] > 0.0
                    stood_s[vehicle, line] = 0.0
    assert entered >= 10


def test_who_came_first_goes_first_and_who_has_no_room_is_passed_over():
    (crossing, *_) = (each for each in crossings(load_map("crossings")) if len(each.lines) == 4)
    first, second, robot = (Presence(DUCKIEBOT, (9.0, 9.0 + k, 0.0)) for k in range(3))
    crossing.update(0.0, (), robot)
    crossing.arrive(first)
    crossing.arrive(second)
    line = crossing.lines[0]
    assert not crossing.may_enter(second, line)
    assert not crossing.may_enter(first, line, has_room=False)
    assert crossing.may_enter(second, line)
    assert crossing.may_enter(first, line)
    crossing.enter(first)
    assert not crossing.may_enter(second, line)  # it is on its way in
    middle = [(cell + 0.5) * 0.585 for cell in next(iter(crossing.cells))]
    first.put((*middle, 0.0), 0.1)
    crossing.update(0.1, (first,), robot)
    assert not crossing.may_enter(second, line)  # it is inside
    first.put((9.0, 9.0, 0.0), 0.1)
    crossing.update(0.2, (first,), robot)
    assert crossing.may_enter(second, line)


def test_a_robot_that_came_first_goes_first_but_only_so_long():
    (crossing, *_) = crossings(load_map("crossings"))
    line = crossing.lines[0]
    x_m, y_m, heading = line.pose
    robot = Presence(DUCKIEBOT, (x_m - 0.12 * math.cos(heading), y_m - 0.12 * math.sin(heading), heading))
    vehicle = Presence(DUCKIEBOT, (9.0, 9.0, 0.0))
    crossing.update(0.0, (robot,), robot)
    crossing.arrive(vehicle)
    assert crossing.may_enter(robot, line)
    assert not crossing.may_enter(vehicle, crossing.lines[1])
    crossing.update(PATIENCE_S - 0.1, (robot,), robot)
    assert not crossing.may_enter(vehicle, crossing.lines[1])
    crossing.update(PATIENCE_S, (robot,), robot)
    assert crossing.may_enter(vehicle, crossing.lines[1])


def test_six_vehicles_on_the_crossings_never_block_each_other_in_five_minutes():
    """Each of them makes more than 0.3 m in every minute: the way from one line over the crossing is 0.7 m."""
    town = town_of("crossings", 7, traffic=Traffic(6))
    way_m = np.zeros(6)
    before = town.poses
    for t_s in run(town, 300.0):
        way_m += [math.dist(now[:2], then[:2]) for now, then in zip(town.poses, before, strict=True)]
        before = town.poses
        if round(t_s / STEP_S) % round(60.0 / STEP_S) == 0 and t_s > 0.0:
            assert (way_m > 0.3).all()
            way_m[:] = 0.0


def test_more_vehicles_than_there_is_room_for_are_refused():
    with pytest.raises(InvalidInput, match="There is no room for a vehicle on map 'oval'"):
        town_of("oval", 1, traffic=Traffic(60))


def test_everybody_begins_clear_of_the_robot_and_of_each_other():
    for seed in range(20):
        town = town_of(
            "s_bends",
            seed,
            traffic=Traffic(3, 1),
            duckies=Duckies(3, 1),
            obstacles=(Obstacle(count=2, place="edge"),),
        )
        places = [other.pose[:2] for other in town.others]
        assert min(math.dist(place, town.robot.pose[:2]) for place in places) >= 0.4
        assert min(math.dist(one, other) for one, other in combinations(places, 2)) >= 0.3


def test_the_leading_vehicle_is_ahead_in_the_robots_lane():
    for seed in range(10):
        world = World(Scenario("test", "s_bends", seed, traffic=Traffic(1, 1)))
        ahead_m = [
            math.dist(world.lanes.ahead(world.lane_pose.lane, world.lane_pose.along_m + k / 50)[:2], each[:2])
            for each in world.snapshot.actors
            for k in range(20, 60)
        ]
        assert min(ahead_m) < 0.02


def test_a_duckie_crosses_from_one_side_to_the_other_and_back():
    """Two walks of 0.57 m at 0.1 m/s, two pauses of 1 s: after 15 s it has made at least 1.1 m."""
    town = town_of("oval", 1, duckies=Duckies(crossing=1, pause_min_s=1.0, pause_max_s=1.0))
    (duckie,), way_m = town.others, 0.0
    before, seen = duckie.pose, set()
    for _ in run(town, 15.0):
        way_m += math.dist(duckie.pose[:2], before[:2])
        before = duckie.pose
        seen.add(load_map("oval").cell_at(*duckie.pose[:2]))
    assert 1.1 < way_m < 1.4


def test_a_duckie_does_not_set_out_before_a_robot_that_could_not_brake():
    """At 0.3 m/s a robot needs 0.3 + 0.3 * 1 + 0.09 / 0.7 = 0.73 m: at 0.6 m it waits, at 0.9 m it walks."""
    for away_m, walks in ((0.6, False), (0.9, True)):
        town = town_of("oval", 1, duckies=Duckies(crossing=1, pause_min_s=0.0, pause_max_s=0.0))
        (duckie,) = town.others
        x_m, y_m, heading = duckie.pose
        beside = (x_m + away_m * math.sin(heading), y_m - away_m * math.cos(heading))
        for _ in run(town, 1.0, Motion(*beside, 0.0, 0.3)):
            pass
        assert (duckie.pose[:2] != (x_m, y_m)) == walks


def test_the_others_do_not_depend_on_how_time_is_sliced_or_on_the_frame_rate():
    ways = []
    for dt_s, ticks in ((0.05, 50), (0.05, 7), (0.025, 25)):
        world = World(
            Scenario(
                "test", "crossings", 5, dt_s=dt_s, traffic=Traffic(3), duckies=Duckies(crossing=1, pause_max_s=3.0)
            )
        )
        for _ in range(5000 // ticks):
            world.advance((0.0, 0.0), ticks)
        world.advance((0.0, 0.0), 5000 - world.tick)
        ways.append(world.snapshot.actors)
    assert ways[0] == ways[1] == ways[2]


def test_more_duckies_do_not_change_the_vehicles_turns():
    few = town_of("crossings", 5, traffic=Traffic(2))
    many = town_of("crossings", 5, traffic=Traffic(2), duckies=Duckies(standing=3))
    assert few.poses[:2] == many.poses[:2]
    list(run(few, 20.0))
    list(run(many, 20.0))
    assert few.poses[:2] == many.poses[:2]
