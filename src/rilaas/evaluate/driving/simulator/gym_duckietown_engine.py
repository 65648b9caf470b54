"""What of gym-duckietown is used: its eye and its body. Importing this imports it; see ``gym_duckietown``."""

from __future__ import annotations

from typing import Any

import duckietown_world  # noqa: F401 (first, or PyContracts asks for a package that nobody needs)
import geometry
import numpy as np
from duckietown_world.world_duckietown.dynamics_delay import ApplyDelay
from duckietown_world.world_duckietown.generic_kinematics import GenericKinematicsSE2
from duckietown_world.world_duckietown.pwm_dynamics import DynamicModel, DynamicModelParameters, PWMCommands
from gym_duckietown.simulator import Simulator as GymSimulator

from rilaas.evaluate.driving.road.lane import Pose
from rilaas.evaluate.driving.view.view import Frame
from rilaas.evaluate.driving.world.dynamics import Dynamics, Wheels

SIZE_PX = (160, 120)


class Eye(GymSimulator):  # type: ignore[misc]
    """Its renderer, on a map that is in no file.

    Args:
        own_map: In its format.
        varied: Whether lights, colours and the camera's mounting are drawn.
        seed: From what.
        size_px: Width and height of its pictures.
        distortion: Whether its lens is bent.
    """

    def __init__(
        self,
        own_map: dict[str, Any],
        varied: bool,
        seed: int,
        size_px: tuple[int, int] = SIZE_PX,
        distortion: bool = False,
    ) -> None:
        self._own_map = {**own_map, "start_tile": [0, 0], "start_pose": [[0.0, 0.0, 0.0], 0.0]}
        width, height = size_px
        super().__init__(
            "rilaas", domain_rand=varied, camera_width=width, camera_height=height, distortion=distortion, seed=seed
        )

    cam_height: Any
    cam_fov_y: Any
    cam_angle: Any

    def _load_map(self, map_name: str) -> None:
        self.map_name, self.map_file_path, self.map_data = map_name, "", self._own_map
        self._interpret_map(self.map_data)

    def look(self, pose: Pose) -> Frame:
        """What the camera sees from a pose, (120, 160, 3) uint8 RGB."""
        x_m, y_m, heading = pose
        self.cur_pos = np.array([x_m, 0.0, self.grid_height * self.road_tile_size - y_m])
        self.cur_angle = heading
        image: Frame = self.render_obs()
        return image

    def _render_img(self, *args: Any, **kwargs: Any) -> Frame:
        # Its domain randomisation leaves arrays of one number here, which OpenGL's functions refuse.
        self.cam_height, self.cam_fov_y = _number(self.cam_height), _number(self.cam_fov_y)
        self.cam_angle = [_number(angle) for angle in self.cam_angle]
        image: Frame = super()._render_img(*args, **kwargs)
        return image

    def close(self) -> None:
        """Give the window back."""
        self.shadow_window.close()


class Body:
    """Its robot: the integrator of duckietown-world, with our parameters.

    Args:
        dynamics: The robot.
        delay_s: From command to wheels [s].
    """

    def __init__(self, dynamics: Dynamics, delay_s: float) -> None:
        factory = _Parameters(dynamics)
        self._factory = ApplyDelay(factory, delay_s, PWMCommands(0.0, 0.0)) if delay_s > 0.0 else factory

    def place(self, pose: Pose) -> None:
        """Stand at a pose."""
        still = geometry.se2_from_linear_angular(np.zeros(2), 0.0)
        start = geometry.SE2_from_translation_angle(np.array(pose[:2]), pose[2])
        self._state = self._factory.initialize(c0=(start, still), t0=0.0)

    def step(self, wheels: Wheels, dt_s: float) -> None:
        """Hold a command for a step."""
        self._state = self._state.integrate(dt_s, PWMCommands(*wheels))

    @property
    def state(self) -> tuple[Pose, float, float]:
        """Pose, speed [m/s] and turning rate [rad/s]."""
        place, velocity = self._state.TSE2_from_state()
        (x_m, y_m), heading = geometry.translation_angle_from_SE2(place)
        (speed, _), rate = geometry.linear_angular_from_se2(velocity)
        return (float(x_m), float(y_m), float(heading)), float(speed), float(rate)


class _Parameters(DynamicModelParameters):  # type: ignore[misc]
    """Ours under its names: u1, w1 drag; u_alpha, w_alpha gains of the right and left wheel."""

    def __init__(self, dynamics: Dynamics) -> None:
        left, right = dynamics.left_gain, dynamics.right_gain
        super().__init__(
            u1=dynamics.drag_v,
            u2=0.0,
            u3=0.0,
            w1=dynamics.drag_w,
            w2=0.0,
            w3=0.0,
            uar=dynamics.gain_v * right,
            ual=dynamics.gain_v * left,
            war=dynamics.gain_w * right,
            wal=dynamics.gain_w * left,
        )

    def initialize(self, c0: Any, t0: float = 0.0, seed: int | None = None) -> _Model:
        return _Model(self, c0, t0, 0.0, 0.0)


class _Model(DynamicModel):  # type: ignore[misc]
    """Its model, with numbers where it hands on arrays of one number: numpy 1.24 and later refuse those."""

    def integrate(self, dt: float, commands: PWMCommands) -> _Model:
        (ahead, _), rate = geometry.linear_angular_from_se2(self.v0)
        acceleration = np.ravel(self.model(commands, self.parameters, u=float(ahead), w=float(rate)))
        speed = float(ahead) + dt * float(acceleration[0])
        turning = float(rate) + dt * float(acceleration[1])
        velocity = geometry.se2_from_linear_angular(np.array([speed, 0.0]), turning)
        after = GenericKinematicsSE2.integrate(self, dt, velocity)
        return _Model(self.parameters, (after.q0, after.v0), after.t0, 0.0, 0.0)


def _number(value: Any) -> float:
    return float(np.ravel(value)[0])
