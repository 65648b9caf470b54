"""The tile world as a Gymnasium environment: ``rilaas/LaneFollowing-v0``.

Importing this module registers it::

    import gymnasium
    import rilaas.evaluate.driving.world.environment
    env = gymnasium.make("rilaas/LaneFollowing-v0", map="s_bends")
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rilaas.evaluate.driving.road.lane import LanePose
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.world import World

ENVIRONMENT_ID = "rilaas/LaneFollowing-v0"
OFF_ROAD_REWARD = -1.0


class LaneFollowing(gymnasium.Env[Frame, NDArray[np.float32]]):
    """Follow the right lane from the camera alone.

    Observation: the camera frame, (120, 160, 3) uint8 RGB. Action: duty cycles of the left and right wheel,
    (2,) float32 in [-1, 1], held for one step.

    Reward: the way made along the lane in this step [m], as in the metric ``driven_lane_m`` (negative in reverse,
    0 out of lane); ``OFF_ROAD_REWARD`` for the step that leaves the road, which terminates the episode. The
    scenario's duration truncates it.

    ``info`` holds ``t_s``, ``pose`` (3,) float64 [m, m, rad], and ``lateral_m`` and ``heading_rad`` relative to the
    lane, NaN out of lane.

    Args:
        map: A map's name or path.
        scenario: The whole scenario instead; its seed is replaced at each reset.
        render_mode: ``rgb_array`` to render the camera frame, or None.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 (Gymnasium's own type)

    def __init__(
        self, map: str = "oval", *, scenario: Scenario | None = None, render_mode: str | None = None
    ) -> None:
        self.scenario = scenario or Scenario("gymnasium", map, 0, appearance="varied")
        self.observation_space = spaces.Box(0, 255, (120, 160, 3), np.uint8)
        self.action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.render_mode = render_mode
        self._world: World | None = None
        self._frame: Frame | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frame, dict[str, Any]]:
        """Begin an episode in a world drawn anew; the same seed draws the same ones."""
        super().reset(seed=seed)
        scenario = replace(self.scenario, seed=int(self.np_random.integers(2**31)))
        self._world = World(scenario)
        self._frame = self._world.look()
        return self._frame.copy(), _info(self._world)

    def step(self, action: NDArray[np.float32]) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Hold the wheels' duty cycles for one ``dt_s``."""
        if self._world is None:
            raise gymnasium.error.ResetNeeded("Call reset before step.")
        world = self._world
        before = world.lane_pose
        self._frame = world.step((float(action[0]), float(action[1])))
        is_over = not world.is_on_road
        reward = OFF_ROAD_REWARD if is_over else _progress_m(before, world)
        truncated = world.t_s >= world.scenario.duration_s - 0.5 * world.tick_s
        return self._frame.copy(), reward, is_over, truncated, _info(world)

    def render(self) -> Any:
        """The last camera frame, or None without a render mode."""
        return None if self.render_mode is None or self._frame is None else self._frame.copy()


def _progress_m(before: LanePose | None, world: World) -> float:
    if before is None:
        return 0.0
    x, y, heading = before.centre
    return float(np.cos(heading) * (world.pose[0] - x) + np.sin(heading) * (world.pose[1] - y))


def _info(world: World) -> dict[str, Any]:
    lane = world.lane_pose
    return {
        "t_s": world.t_s,
        "pose": np.array(world.pose),
        "lateral_m": np.nan if lane is None else lane.lateral_m,
        "heading_rad": np.nan if lane is None else lane.heading_rad,
    }


if ENVIRONMENT_ID not in gymnasium.registry:
    gymnasium.register(ENVIRONMENT_ID, f"{__name__}:{LaneFollowing.__name__}")
