"""CARLA behind our protocol: its client library is real, the server is a recorded exchange written down in a file."""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from rilaas.core import InvalidInput, Prediction, Timing, Unavailable
from rilaas.evaluate.driving import Latency, Scenario, World, check_simulator, load_map, rollout, score_episode
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.road.survey import survey_text
from rilaas.evaluate.driving.scenario.surroundings import Traffic
from rilaas.evaluate.driving.simulator.carla import control_of, open_carla
from rilaas.evaluate.driving.simulator.carla_survey import survey_town
from tests.evaluate.driving.carla_exchange import EXCHANGE, Server, town

carla = pytest.importorskip("carla", reason="CARLA's client is not here; install it: pip install 'rilaas[carla]'")

ADDRESS = ("127.0.0.1", 2000)


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    """The oval's right lane, 10 m along its first straight: (10, -1.75) in CARLA's plane turned to the right hand."""
    path = tmp_path_factory.mktemp("town") / "oval.json"
    tile_map = survey_town(town(carla))
    path.write_text(survey_text(tile_map))
    x_m, y_m = tile_map.survey.origin_m
    return Scenario("carla", str(path), 1, duration_s=2.0, start=(10.0 - x_m, -1.75 - y_m, 0.0), command_delay_s=0.0)


def opened(scenario, server):
    return open_carla(scenario, ADDRESS, server.connect)


def test_carla_keeps_the_contract_of_a_simulator(scenario):
    server = Server(carla)
    check_simulator(partial(open_carla, address=ADDRESS, connect=server.connect), scenario)
    assert not server.actors, "every actor was destroyed"


@pytest.mark.parametrize(
    ("wheels", "control"),
    [
        ((0.5, 0.5), {"throttle": 0.5, "steer": 0.0, "brake": 0.0, "reverse": False}),
        ((0.0, 0.0), {"throttle": 0.0, "steer": 0.0, "brake": 1.0, "reverse": False}),
        ((-0.5, -0.5), {"throttle": 0.5, "steer": 0.0, "brake": 0.0, "reverse": True}),
        ((0.6, 0.4), {"throttle": 0.5, "steer": 0.4, "brake": 0.0, "reverse": False}),
        ((0.0, 9.0), {"throttle": 0.5, "steer": -1.0, "brake": 0.0, "reverse": False}),
    ],
)
def test_wheels_become_throttle_steering_and_brake(wheels, control):
    """(0.6, 0.4): mean 0.5; half of left minus right is 0.1, times 4 is 0.4, and positive steers to the right."""
    made = control_of(carla, wheels)
    assert {name: pytest.approx(getattr(made, name), abs=1e-6) for name in control} == control


def test_poses_are_right_handed_in_the_maps_frame(scenario):
    """6 m/s for 1 s along x; then a yaw of -30 deg/s, to the left in CARLA, is +30 deg/s in ours."""
    with opened(scenario, Server(carla)) as simulator:
        start = simulator.reset()
        for _ in range(20):
            now = simulator.advance((0.5, 0.5), simulator.ticks_per_frame)
        assert start.pose == pytest.approx(scenario.start, abs=1e-4)
        assert now.pose[0] - start.pose[0] == pytest.approx(6.0, abs=1e-3)
        assert now.speed_m_per_s == pytest.approx(6.0, abs=1e-6)
        turned = simulator.advance((0.4, 0.6), simulator.ticks_per_frame)
        assert turned.rate_rad_per_s == pytest.approx(math.radians(30.0), abs=1e-6)
        assert turned.pose[2] > now.pose[2]


def test_the_camera_is_ours_in_size_view_and_tilt_and_its_images_are_rgb(scenario):
    """Vertical 75 deg at 4 : 3 is horizontal 2 atan(4/3 tan 37.5 deg) = 91.3 deg, which is what CARLA is told."""
    server = Server(carla)
    with opened(scenario, server) as simulator:
        camera = next(actor for actor in server.actors if actor.id == "sensor.camera.rgb")
        assert camera.attributes["image_size_x"] == "160"
        assert float(camera.attributes["fov"]) == pytest.approx(91.31, abs=0.01)
        assert camera.place.rotation.pitch == pytest.approx(-19.15, abs=1e-4)
        assert (simulator.frame(0)[..., 0] == 200).all(), "red, which the stand-in paints everywhere, comes first"


def test_the_exchange_is_as_it_was_written_down(scenario):
    """Two ticks of a scenario: what the adapter asks of a server, call by call, is the file's list."""
    server = Server(carla)
    with opened(replace(scenario, dt_s=0.02), server) as simulator:
        simulator.advance((0.5, 0.5), 2)
    assert server.calls == EXCHANGE["calls"]


def test_a_collision_ends_the_episode_where_it_is_an_end_rule(scenario):
    for end, ended in ((("off_road", "collision"), "collision"), (("off_road",), "")):
        server = Server(carla)
        with opened(replace(scenario, end=end), server) as simulator:
            server.collide()
            assert simulator.advance((0.5, 0.5), 1).ended == ended
            assert simulator.reset().ended == ""


def test_a_server_that_is_gone_says_nothing_about_the_policy(scenario):
    server = Server(carla)

    class Drives:
        signature = DRIVING_SIGNATURE

        def predict(self, inputs, *, deadline_s=None):
            server.gone = server.frame > 120
            return Prediction({"wheels": np.full((1, 2), 0.5, np.float32)}, Timing(total_s=0.001))

        def reset(self):
            pass

    with opened(scenario, server) as simulator:
        result = rollout(Drives(), scenario, Latency.none(), simulator=simulator)
        server.gone = False
    assert result.status == "infrastructure_failure"
    assert "127.0.0.1:2000" in result.reason


def test_nobody_at_the_address_is_unavailable(scenario):
    def connect(address):
        raise RuntimeError("time-out of 20000ms while waiting for the simulator")

    with pytest.raises(Unavailable, match="127.0.0.1:2000"), open_carla(scenario, ADDRESS, connect):
        pass


def test_an_image_that_does_not_come_is_unavailable(scenario, monkeypatch):
    monkeypatch.setattr("rilaas.evaluate.driving.simulator.carla_camera.WAIT_S", 0.05)
    server = Server(carla)
    with opened(scenario, server) as simulator:
        server.silent = True
        with pytest.raises(Unavailable, match="no image of step"):
            simulator.advance((0.5, 0.5), simulator.ticks_per_frame)


def test_another_town_is_loaded_and_settings_are_put_back(scenario):
    server = Server(carla, name="Town01")
    with opened(scenario, server):
        assert ["load_world", {"name": "oval"}] in server.calls
    assert server.calls[-1] == ["apply_settings", {"synchronous": False, "dt_s": None}]


def test_the_same_metrics_judge_a_drive_on_a_surveyed_road(scenario):
    """2 s at 6 m/s along the middle of the lane, the first frame's command in force at once: 12 m in the lane."""

    class Straight:
        signature = DRIVING_SIGNATURE

        def predict(self, inputs, *, deadline_s=None):
            return Prediction({"wheels": np.full((1, 2), 0.5, np.float32)}, Timing(total_s=0.001))

        def reset(self):
            pass

    with opened(scenario, Server(carla)) as simulator:
        result = rollout(Straight(), scenario, Latency.none(), simulator=simulator)
    scored = score_episode(result)
    assert result.status == "completed"
    assert scored.scores["driven_lane_m"] == pytest.approx(12.0, abs=0.01)
    assert scored.scores["lane_time_share"] == 1.0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"map": "oval"}, "made of tiles"),
        ({"wheel_gain_spread": 0.1}, "a Duckiebot's"),
        ({"traffic": Traffic(vehicles=2)}, "has traffic"),
    ],
)
def test_what_it_does_not_have_is_refused(scenario, change, words):
    with pytest.raises(InvalidInput, match=words), opened(replace(scenario, **change), Server(carla)):
        pass


def test_a_surveyed_road_cannot_be_drawn_by_the_tile_world(scenario):
    with pytest.raises(InvalidInput, match="surveyed in carla"):
        World(scenario)
    assert load_map(scenario.map).survey is not None
