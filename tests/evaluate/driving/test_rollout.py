import math

import numpy as np
import pytest

from rilaas.core import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    Prediction,
    Signature,
    SignatureMismatch,
    TensorSpec,
    Timing,
    Unauthenticated,
    Unavailable,
)
from rilaas.evaluate.driving.episode.latency import Latency
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE, MAX_OUTAGE_S, rollout
from rilaas.evaluate.driving.objective.anchor import score_trajectory
from rilaas.evaluate.driving.scenario.scenario import Scenario
from rilaas.evaluate.driving.world.world import World
from rilaas.learn import ExpertPolicy

S = 0.585
START = (1.2 * S, 0.28 * S, 0.0)


def scenario(**changes):
    return Scenario("test", **{"map": "oval", "seed": 5, "duration_s": 4.0, "start": START, **changes})


class Scripted:
    """Answers from a list, the last one for ever; an exception in the list is raised."""

    signature = DRIVING_SIGNATURE

    def __init__(self, *answers, total_s=0.001, server=""):
        self.answers, self.calls, self.timing = answers, 0, Timing(total_s=total_s, server=server)
        self.images = []

    def predict(self, inputs, *, deadline_s=None):
        answer = self.answers[min(self.calls, len(self.answers) - 1)]
        self.calls += 1
        self.images.append(inputs["image"].copy())
        if isinstance(answer, Exception):
            raise answer
        return Prediction({"wheels": np.array([answer], np.float32)}, self.timing)

    def reset(self):
        self.calls = 0


def bytes_of(result):
    parts = [result.t_s, result.poses, result.commands, result.latency_s, *(image for _, image in result.frames)]
    return b"".join(part.tobytes() for part in parts)


def test_an_episode_has_a_sample_for_each_frame_and_the_last():
    result = rollout(Scripted((0.4, 0.4)), scenario(duration_s=1.0))
    assert result.status == "completed"
    assert result.t_s == pytest.approx(np.arange(21) * 0.05)
    assert result.poses.shape == (21, 3)
    assert result.commands.shape == (21, 2)
    assert result.commands[:-1] == pytest.approx(np.full((20, 2), 0.4))
    assert result.counts == {"answers": 20}
    assert result.seed == 5
    assert result.is_scored


def test_the_policy_sees_a_frame_with_a_batch_axis_and_each_one_once():
    policy = Scripted((0.4, 0.4))
    rollout(policy, scenario(duration_s=1.0))
    assert {image.shape for image in policy.images} == {(1, 120, 160, 3)}
    moving = [image.tobytes() for image in policy.images[5:]]
    assert len(set(moving)) == len(moving)


@pytest.mark.parametrize("latency", [Latency.none(), Latency.fixed(0.07), Latency.drawn([0.01, 0.03, 0.2])])
def test_the_same_scenario_gives_the_same_bytes(latency):
    varied = scenario(appearance="varied", camera_noise=2.0, start=None)
    results = [
        rollout(ExpertPolicy(world), varied, latency, simulator=world) for world in (World(varied), World(varied))
    ]
    assert bytes_of(results[0]) == bytes_of(results[1])
    assert results[0].status == results[1].status


def test_a_world_may_be_used_again():
    varied = scenario(camera_noise=2.0)
    world = World(varied)
    assert len({bytes_of(rollout(ExpertPolicy(world), varied, simulator=world)) for _ in range(2)}) == 1


def test_time_passes_while_the_policy_thinks_and_the_last_command_is_held():
    result = rollout(Scripted((0.5, 0.5)), scenario(duration_s=1.0, command_delay_s=0.0), Latency.fixed(0.22))
    moving = result.poses[:, 0] > START[0] + 1e-9
    assert not moving[result.t_s <= 0.22].any()
    assert moving[result.t_s > 0.23].all()
    assert (result.commands[result.t_s < 0.22] == 0.0).all()
    assert result.counts["answers"] == 5
    assert result.latency_s == pytest.approx(np.full(5, 0.22))


def test_latency_of_a_few_milliseconds_counts():
    ways = [
        rollout(Scripted((0.5, 0.5)), scenario(duration_s=1.0), Latency.fixed(latency_s)).poses[-1, 0]
        for latency_s in (0.0, 0.003, 0.006)
    ]
    assert ways[0] > ways[1] > ways[2]


def test_a_slow_policy_sees_the_newest_frame_when_it_is_free():
    policy = Scripted((0.5, 0.5))
    rollout(policy, scenario(duration_s=1.0), Latency.fixed(0.12))
    seen = World(scenario(duration_s=1.0))
    expected = [seen.look()]
    # Free at 0.12 s, when the newest frame is that of 0.10 s.
    seen.advance((0.0, 0.0), 100)
    expected.append(seen.look())
    assert np.array_equal(policy.images[0][0], expected[0])
    assert np.array_equal(policy.images[1][0], expected[1])
    assert len(policy.images) == 9  # 0, 0.12, 0.24, ..., 0.96 s


def test_a_slow_expert_drives_worse_than_a_fast_one():
    deviation = {}
    for latency_s in (0.0, 0.5):
        tested = scenario(map="zigzag", duration_s=20.0, start=None, seed=1)
        world = World(tested)
        result = rollout(ExpertPolicy(world), tested, Latency.fixed(latency_s), simulator=world)
        deviation[latency_s] = score_trajectory(world.tile_map, result.t_s, result.poses)
    assert deviation[0.0]["lane_time_share"] == 1.0
    assert deviation[0.5]["driven_lane_m"] < 0.8 * deviation[0.0]["driven_lane_m"]


def test_measured_latency_is_what_the_policy_says_that_it_took():
    result = rollout(
        Scripted((0.5, 0.5), total_s=0.13, server="edge-1"), scenario(duration_s=1.0), Latency.measured()
    )
    assert result.latency_s == pytest.approx(np.full(8, 0.13))
    assert result.round_trip_s == pytest.approx(result.latency_s)
    assert result.servers == ("edge-1",) * 8


def test_lock_step_still_records_how_long_answers_really_took():
    result = rollout(Scripted((0.5, 0.5), total_s=0.13), scenario(duration_s=1.0))
    assert (result.latency_s == 0.0).all()
    assert result.round_trip_s == pytest.approx(np.full(20, 0.13))


def test_a_robot_that_leaves_the_road_ends_the_episode():
    result = rollout(Scripted((0.6, 0.4)), scenario(duration_s=60.0))
    assert result.status == "off_road"
    assert result.is_scored
    assert result.t_s[-1] < 20.0
    assert (np.diff(result.t_s) > 0.0).all()


def test_a_short_outage_holds_the_last_command_and_is_counted():
    outage = [Unavailable("The server is gone.")] * 5
    result = rollout(Scripted((0.4, 0.4), *outage, (0.3, 0.3)), scenario(duration_s=1.0))
    assert result.status == "completed"
    assert result.counts == {"answers": 15, "unavailable": 5}
    assert result.commands[:6] == pytest.approx(np.full((6, 2), 0.4))
    assert result.commands[6] == pytest.approx([0.3, 0.3])
    assert len(result.latency_s) == len(result.servers) == 15


@pytest.mark.parametrize("error", [Unavailable("The server is gone."), DeadlineExceeded("Too late.")])
def test_an_outage_that_lasts_is_an_infrastructure_failure_and_no_driving(error):
    result = rollout(Scripted((0.1, 0.1), error), scenario(duration_s=60.0))
    assert result.status == "infrastructure_failure"
    assert not result.is_scored
    assert result.reason == error.message
    assert result.t_s[-1] == pytest.approx(MAX_OUTAGE_S, abs=0.06)


def test_leaving_the_road_while_nobody_answers_is_an_infrastructure_failure_too():
    result = rollout(
        Scripted((1.0, 0.6), Unavailable("The server is gone.")), scenario(start=(1.2 * S, 0.1 * S, -1.0))
    )
    assert result.t_s[-1] < MAX_OUTAGE_S
    assert result.status == "infrastructure_failure"


def test_answers_after_the_deadline_are_lost():
    result = rollout(Scripted((0.5, 0.5), total_s=0.2), scenario(), Latency.measured(), deadline_s=0.1)
    assert result.status == "infrastructure_failure"
    assert set(result.counts) == {"deadline_exceeded"}
    assert "100 ms" in result.reason
    assert rollout(Scripted((0.5, 0.5)), scenario(), Latency.fixed(0.09), deadline_s=0.1).status == "completed"


def test_answers_that_the_experiment_makes_too_late_are_lost_but_are_no_outage():
    """Every answer takes 0.2 s of at most 0.1 s: the robot stands all the time, which says something about it."""
    result = rollout(Scripted((0.5, 0.5)), scenario(), Latency.fixed(0.2), deadline_s=0.1)
    assert (result.status, result.is_scored) == ("completed", True)
    assert set(result.counts) == {"deadline_exceeded"}
    assert np.ptp(result.poses, axis=0).max() == 0.0


def test_a_model_that_fails_is_a_policy_failure():
    result = rollout(Scripted((0.5, 0.5), ModelFailed("It divided by zero.")), scenario())
    assert (result.status, result.reason) == ("policy_failure", "It divided by zero.")
    assert result.is_scored


def test_a_model_that_failed_with_half_a_character_has_a_reason_that_can_be_written_down():
    """Said: 10 005 characters, of which 4000 are kept; a zero byte and a lone surrogate are neither UTF-8 nor SQL."""
    result = rollout(Scripted((0.5, 0.5), ModelFailed("a \0 \ud800" + "x" * 10_000)), scenario())
    assert result.reason == "a \ufffd ?" + "x" * 3995


def test_wheels_that_are_not_numbers_are_a_policy_failure():
    result = rollout(Scripted((math.nan, 0.5)), scenario())
    assert result.status == "policy_failure"
    assert "nan" in result.reason


def test_a_refused_robot_is_told():
    with pytest.raises(Unauthenticated):
        rollout(Scripted(Unauthenticated("The key is unknown.")), scenario())


@pytest.mark.parametrize(
    ("inputs", "outputs", "said"),
    [
        ((TensorSpec("image", "FP32", (-1, 120, 160, 3)),), DRIVING_SIGNATURE.outputs.values(), "takes image: UINT8"),
        ((TensorSpec("pixels", "UINT8", (-1, 120, 160, 3)),), DRIVING_SIGNATURE.outputs.values(), "takes pixels"),
        (DRIVING_SIGNATURE.inputs.values(), (TensorSpec("wheels", "FP32", (-1, 3)),), "gives wheels: FP32"),
        ((), DRIVING_SIGNATURE.outputs.values(), "takes nothing"),
    ],
)
def test_a_policy_of_another_task_is_refused_naming_both_sides(inputs, outputs, said):
    policy = Scripted((0.0, 0.0))
    policy.signature = Signature.of(tuple(inputs), tuple(outputs))
    with pytest.raises(SignatureMismatch, match=said):
        rollout(policy, scenario())


def test_a_few_frames_are_kept_for_the_report():
    result = rollout(Scripted((0.2, 0.2)), scenario(duration_s=2.0), keep_frames=4)
    assert [t_s for t_s, _ in result.frames] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert {image.shape for _, image in result.frames} == {(120, 160, 3)}


def test_progress_is_told_after_each_frame():
    times = []
    rollout(Scripted((0.2, 0.2)), scenario(duration_s=0.5), on_frame=times.append)
    assert times == pytest.approx(np.arange(1, 11) * 0.05)


def test_drawn_latencies_are_those_that_were_recorded():
    result = rollout(Scripted((0.2, 0.2)), scenario(duration_s=3.0), Latency.drawn([0.01, 0.04, 0.1]))
    assert set(result.latency_s.tolist()) == {0.01, 0.04, 0.1}


@pytest.mark.parametrize("text", ["none", "measured", "fixed:0.08"])
def test_a_latency_is_read_from_text(text):
    latency = Latency.parse(text)
    assert latency.mode == text.partition(":")[0]
    assert latency.sample(0.5, np.random.default_rng(0)) == {"none": 0.0, "measured": 0.5, "fixed:0.08": 0.08}[text]


@pytest.mark.parametrize("text", ["", "fast", "fixed", "fixed:x", "fixed:-1", "fixed:nan", "measured:1"])
def test_what_is_no_latency_is_refused(text):
    with pytest.raises(InvalidInput, match="latency"):
        Latency.parse(text)


def test_latencies_are_drawn_from_at_least_one_sample():
    with pytest.raises(InvalidInput, match="at least one"):
        Latency.drawn([])
