"""Lane following in a flat tile world: maps, lanes, camera, dynamics, rollouts, and the judge.

Takes a policy (``image`` to ``wheels``) and a scenario or a suite; gives episodes, metrics by name and a report.
May import infer, report, store, observe and core.
"""

from rilaas.evaluate.driving.map_file import load_map, map_names, parse_map
from rilaas.evaluate.driving.scenario import Scenario, Spawn
from rilaas.evaluate.driving.tile_map import Tile, TileMap

__all__ = ["Scenario", "Spawn", "Tile", "TileMap", "load_map", "map_names", "parse_map"]
