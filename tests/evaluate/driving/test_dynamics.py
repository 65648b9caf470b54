import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.evaluate.driving.world.dynamics import DelayLine, Dynamics, Motion, advance

DUTY = st.floats(-1.0, 1.0)


def drive(delay_s, wheels, dt_s=0.05, duration_s=2.0, dynamics=None):
    steps = round(duration_s / dt_s)
    return advance(Motion(), DelayLine(delay_s, dt_s).hold(wheels, steps), dt_s, dynamics or Dynamics())


# Two seconds from rest at 0.05 s with duckietown-world 6.4.3, pwm_dynamics.get_DB18_nominal: x, y, heading, v, w.
ORACLE = [
    (0.00, (0.5, 0.5), (0.555000, 0.0, 0.0), 0.299997, 0.0),
    (0.00, (0.4, 0.5), (0.463318, 0.159083, 0.675010), 0.269997, 0.374950),
    (0.15, (0.5, 0.5), (0.525001, 0.0, 0.0), None, None),
    (0.15, (0.4, 0.5), (0.441928, 0.142610, 0.637516), None, None),
]


@pytest.mark.parametrize(("delay_s", "wheels", "pose", "speed", "rate"), ORACLE)
def test_the_duckiebot_moves_as_in_duckietown_world(delay_s, wheels, pose, speed, rate):
    motion = drive(delay_s, wheels)
    assert motion.pose == pytest.approx(pose, abs=1e-6)
    if speed is not None:
        assert (motion.speed_m_per_s, motion.rate_rad_per_s) == pytest.approx((speed, rate), abs=1e-6)


@pytest.mark.parametrize(
    ("delay_s", "dt_s", "steps"), [(0.15, 0.05, 2), (0.0, 0.05, 0), (0.05, 0.05, 0), (0.15, 0.001, 149)]
)
def test_a_command_acts_when_its_delay_has_passed_at_the_end_of_a_step(delay_s, dt_s, steps):
    line = DelayLine(delay_s, dt_s)
    given_, acting = (0.3, 0.4), line.hold((0.3, 0.4), steps + 2)
    assert acting == [(0.0, 0.0)] * steps + [given_] * 2


def test_a_delay_line_forgets_at_reset():
    line = DelayLine(0.15, 0.05)
    line.hold((1.0, 1.0), 5)
    line.reset()
    assert line.hold((0.5, 0.5), 2) == [(0.0, 0.0)] * 2


@pytest.mark.parametrize(("delay_s", "dt_s"), [(-0.1, 0.05), (0.1, 0.0), (math.nan, 0.05), (1e6, 0.001)])
def test_a_delay_that_is_none_is_refused(delay_s, dt_s):
    with pytest.raises(InvalidInput, match="delay"):
        DelayLine(delay_s, dt_s)


@given(DUTY, DUTY)
def test_a_mirrored_command_gives_the_mirrored_motion(left, right):
    one, other = drive(0.1, (left, right)), drive(0.1, (right, left))
    assert one.x_m == pytest.approx(other.x_m, abs=1e-12)
    assert (one.y_m, one.heading_rad) == pytest.approx((-other.y_m, -other.heading_rad), abs=1e-12)


@given(DUTY, DUTY, st.integers(1, 40))
def test_motion_in_two_parts_is_the_motion_in_one(left, right, first):
    steps = [(left, right)] * 41
    whole = advance(Motion(), steps, 0.05, Dynamics())
    parts = advance(advance(Motion(), steps[:first], 0.05, Dynamics()), steps[first:], 0.05, Dynamics())
    assert parts == whole


@given(st.floats(-0.5, 0.5))
def test_the_steady_command_for_a_speed_and_a_rate_holds_them(rate_rad_per_s):
    robot = Dynamics()
    throttle, steering = robot.throttle_for(0.3), robot.steering_for(rate_rad_per_s)
    wheels = (throttle - steering, throttle + steering)
    motion = drive(0.0, wheels, duration_s=10.0)
    assert motion.speed_m_per_s == pytest.approx(0.3)
    assert motion.speed_m_per_s == pytest.approx(robot.steady_speed_m_per_s(wheels))
    assert motion.rate_rad_per_s == pytest.approx(rate_rad_per_s)


def test_duty_cycles_beyond_one_are_clipped():
    assert drive(0.0, (3.0, 9.0)) == drive(0.0, (1.0, 1.0))


def test_a_weak_left_wheel_pulls_the_robot_to_the_left():
    assert drive(0.0, (0.5, 0.5), dynamics=Dynamics(left_gain=0.9)).y_m > 0.01


def test_a_finer_step_changes_the_way_by_little():
    coarse, fine = drive(0.0, (0.4, 0.5)), drive(0.0, (0.4, 0.5), dt_s=0.001)
    assert math.dist(coarse.pose[:2], fine.pose[:2]) < 0.02
