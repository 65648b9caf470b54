"""A CARLA town as a map of ours: its driving lanes, sampled from its waypoints.

A server is not needed where the town's OpenDRIVE file is at hand::

    survey = survey_town(carla.Map("Town01", Path("Town01.xodr").read_text()))
    Path("town01.json").write_text(survey_text(survey))

CARLA's frame is left-handed (x forward, y to the right, degrees clockwise); ours is right-handed, so y and angles
change their sign. Then the frame is shifted so that all cells lie right of and above its origin.
"""

from __future__ import annotations

import math
from typing import Any

from rilaas.evaluate.driving.road.lane import Pose, wrap_angle
from rilaas.evaluate.driving.road.survey import Node, Survey, surveyed_map
from rilaas.evaluate.driving.road.tile_map import TileMap

STEP_M = 2.0
"""Way between two nodes [m]: between them the centre line is an arc."""
CELL_M = 4.0
MARGIN_M = 12.0


def pose_from_carla(transform: Any, origin_m: tuple[float, float]) -> Pose:
    """A ``carla.Transform`` in the map's frame: x [m], y [m], heading [rad]."""
    place = transform.location
    heading = wrap_angle(-math.radians(transform.rotation.yaw))
    return place.x - origin_m[0], -place.y - origin_m[1], heading


def survey_town(carla_map: Any, *, step_m: float = STEP_M, cell_m: float = CELL_M) -> TileMap:
    """Survey a town.

    Args:
        carla_map: A ``carla.Map``.
        step_m: Way between two nodes [m].
        cell_m: Side of a cell [m].

    Returns:
        A map with a ``survey``; ``tile_size_m`` is ``cell_m``.
    """
    import carla

    nodes: list[Node] = []
    links: list[tuple[int, int]] = []
    starts: dict[tuple[int, int, int, int], int] = {}

    def node(waypoint: Any) -> int:
        nodes.append((*pose_from_carla(waypoint.transform, (0.0, 0.0)), float(waypoint.lane_width)))
        return len(nodes) - 1

    def start_of(waypoint: Any) -> int:
        key = (waypoint.road_id, waypoint.section_id, waypoint.lane_id, round(100.0 * waypoint.s))
        if key not in starts:
            starts[key] = node(waypoint)
        return starts[key]

    for start, end in carla_map.get_topology():
        if start.lane_type != carla.LaneType.Driving:
            continue
        before, last = start_of(start), end.transform.location
        way = start.next_until_lane_end(step_m)
        while way and way[-1].transform.location.distance(last) < 0.5 * step_m:
            way.pop()
        for waypoint in way:
            after = node(waypoint)
            links.append((before, after))
            before = after
        links.append((before, start_of(end)))
    origin = tuple(min(each[axis] for each in nodes) - MARGIN_M for axis in (0, 1))
    shifted = tuple((x_m - origin[0], y_m - origin[1], heading, width_m) for x_m, y_m, heading, width_m in nodes)
    survey = Survey("carla 0.9.16", (origin[0], origin[1]), shifted, tuple(links))
    return surveyed_map(carla_map.name.rpartition("/")[2], cell_m, survey)
