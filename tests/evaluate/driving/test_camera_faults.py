import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput, Prediction, Timing
from rilaas.evaluate.driving import Latency, Scenario, World, rollout
from rilaas.evaluate.driving.episode.camera_fault import FaultyCamera
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.scenario.camera_faults import CameraFaults
from rilaas.evaluate.driving.world.simulator import HISTORY

START = (0.7, 0.164, 0.0)


def camera(seed=1, duration_s=600.0, **faults):
    return FaultyCamera(Scenario("test", "oval", seed, duration_s=duration_s, camera_faults=CameraFaults(**faults)))


def grey():
    return np.full((120, 160, 3), 128, np.uint8)


class Looks:
    """Drives straight on, and keeps what it saw."""

    signature = DRIVING_SIGNATURE

    def __init__(self):
        self.images = []

    def predict(self, inputs, *, deadline_s=None):
        self.images.append(inputs["image"][0].copy())
        return Prediction({"wheels": np.array([[0.3, 0.3]], np.float32)}, Timing(total_s=0.001))

    def reset(self):
        self.images = []


def seen(latency=None, **faults):
    policy = Looks()
    scenario = Scenario("test", "oval", 3, duration_s=2.0, start=START, camera_faults=CameraFaults(**faults))
    rollout(policy, scenario, latency)
    return policy.images


def test_without_faults_nothing_changes():
    assert CameraFaults().is_none
    tested = camera()
    assert [tested.shown(number) for number in range(100)] == list(range(100))
    assert tested.spoil(image := grey(), 5) is image


def test_the_asked_share_of_frames_is_dropped_and_the_last_one_seen_in_its_place():
    """12,000 frames with p = 0.3: the share's standard deviation is sqrt(0.21 / 12000) = 0.0042."""
    tested = camera(dropped_share=0.3)
    shown = [tested.shown(number) for number in range(12_000)]
    fresh = [number == newest for newest, number in enumerate(shown)]
    assert np.mean(fresh) == pytest.approx(0.7, abs=0.017)
    assert all(
        now == newest if new else now == before
        for before, (newest, now), new in zip(shown, list(enumerate(shown))[1:], fresh[1:], strict=False)
    )


def test_delayed_frames_are_so_many_frames_late_and_the_first_is_seen_meanwhile():
    tested = camera(delay_frames=3)
    assert [tested.shown(number) for number in range(6)] == [0, 0, 0, 0, 1, 2]


@given(st.integers(0, 100), st.floats(0.0, 0.9), st.integers(0, 32), st.integers(0, 1200))
def test_a_frame_is_never_older_than_a_simulator_can_show(seed, share, delay, newest):
    shown = camera(seed, 60.0, dropped_share=share, delay_frames=delay).shown(newest)
    assert max(0, newest - HISTORY) <= shown <= newest


def test_blackouts_come_so_often_and_last_so_long():
    """6 a minute for 0.5 s (10 frames of 0.05 s) over 100 min: black is 1 - exp(-0.05) = 4.9 % of the time."""
    tested = camera(duration_s=6000.0, blackouts_per_min=6.0, blackout_s=0.5)
    is_black = np.array([not tested.spoil(grey()[:1, :1], number).any() for number in range(120_000)])
    assert is_black.mean() == pytest.approx(0.0488, abs=0.006)
    edges = np.flatnonzero(np.diff(is_black.astype(int)))
    assert min(edges[1::2] - edges[::2]) == 10


def test_noisy_frames_have_the_noise_that_was_asked_for():
    tested = camera(noise_share=0.25, noise=20.0)
    noise = [tested.spoil(grey(), number).astype(float) - 128.0 for number in range(400)]
    spoilt = [each for each in noise if each.any()]
    assert len(spoilt) / 400 == pytest.approx(0.25, abs=0.09)
    assert np.mean([each.std() for each in spoilt]) == pytest.approx(20.0, abs=0.3)


def test_the_same_seed_has_the_same_faults_whoever_looks_and_when():
    """A policy that is asked at every other frame sees of these what one sees that is asked at each."""
    faults = {"dropped_share": 0.4, "noise_share": 0.3, "blackouts_per_min": 60.0}
    one, other = camera(**faults), camera(**faults)
    each = [other.spoil(grey(), other.shown(number)).tobytes() for number in range(100)]
    for number in reversed(range(0, 100, 2)):
        assert one.spoil(grey(), one.shown(number)).tobytes() == each[number]
    assert [camera(2, **faults).shown(k) for k in range(100)] != [one.shown(k) for k in range(100)]


def test_a_policy_sees_late_frames_in_a_rollout():
    late, fresh = seen(delay_frames=4), seen()
    assert all(np.array_equal(one, other) for one, other in zip(late[4:], fresh, strict=False))
    assert not np.array_equal(late[-1], fresh[-1])


def test_a_rollout_with_faults_gives_the_same_bytes_again():
    faults = {"dropped_share": 0.3, "noise_share": 0.5, "blackouts_per_min": 30.0, "delay_frames": 2}
    latency = Latency.fixed(0.07)
    first, again = seen(latency, **faults), seen(latency, **faults)
    assert [image.tobytes() for image in first] == [image.tobytes() for image in again]
    assert any(not image.any() for image in seen(blackouts_per_min=300.0))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dropped_share": 1.0}, "dropped_share is 1.0; it is from 0 to 0.9"),
        ({"delay_frames": 0.5}, "delay_frames is 0.5; it is a whole number from 0 to 32"),
        ({"delay_frames": 33}, "delay_frames is 33"),
        ({"blackouts_per_min": -1.0}, "blackouts_per_min is -1.0"),
        ({"noise": float("nan")}, "noise is nan"),
    ],
)
def test_faults_that_make_no_sense_are_refused(fields, message):
    with pytest.raises(InvalidInput) as error:
        CameraFaults(**fields)
    assert message in str(error.value)


def test_a_world_itself_shows_true_frames():
    faulty = World(Scenario("test", "oval", 3, start=START, camera_faults=CameraFaults(blackouts_per_min=600.0)))
    assert faulty.look().any()
