"""Pair after pair, until it is decided."""

import pytest

from rilaas.core import InvalidInput, NotFound
from rilaas.evaluate.driving import Scenario, Spawn, Suite
from rilaas.evaluate.driving.judge.duel import drawn_scenarios, run_duel
from tests.evaluate.driving.test_judge import FollowYellow, GoAstray, NobodyThere

GENTLE = Spawn(0.02, 0.1)
SUITE = Suite(
    "s",
    "",
    (
        *(Scenario("loop", "oval", seed, duration_s=2.0, spawn=GENTLE) for seed in (1, 2, 3)),
        Scenario("bends", "s_bends", 1, duration_s=2.0, spawn=GENTLE),
    ),
)


def test_a_driver_is_better_than_one_that_leaves_the_road_and_that_is_known_before_all_is_driven():
    pairs = []
    duel = run_duel(FollowYellow(), GoAstray(), SUITE, metric="lane_time_share", pairs=60, on_pair=pairs.append)
    assert duel.verdict == "better"
    assert duel.is_whole
    assert duel.n == len(pairs) < 60
    assert duel.low > 0.0
    assert [each.scenario for each in duel.first.episodes] == [each.scenario for each in duel.second.episodes]
    assert [each.seed for each in duel.first.episodes] == [each.seed for each in duel.second.episodes]
    again = run_duel(GoAstray(), FollowYellow(), SUITE, metric="lane_time_share", pairs=60)
    assert (again.verdict, again.n) == ("worse", duel.n)


def test_a_driver_is_not_better_than_itself_however_long_it_drives():
    duel = run_duel(FollowYellow(), FollowYellow(), SUITE, pairs=10)
    assert (duel.verdict, duel.n, duel.mean) == ("no measurable difference", 10, 0.0)
    assert duel.is_whole
    assert duel.low < 0.0 < duel.high


def test_worlds_are_drawn_as_often_as_they_have_seeds_and_no_episode_comes_twice():
    """The loop has 3 of 4 seeds: of 400 draws 300, plus or minus 3 deviations of 8.7."""
    drawn = drawn_scenarios(SUITE, 400)
    assert len(set(drawn)) == 400
    assert 274 <= sum(scenario.name == "loop" for scenario in drawn) <= 326
    assert drawn[:100] == drawn_scenarios(SUITE, 100)
    loops = [scenario.seed for scenario in drawn if scenario.name == "loop"]
    assert loops == list(range(1, len(loops) + 1))


def test_ctrl_c_keeps_what_is_known():
    def stop(pair):
        if pair.number == 3:
            raise KeyboardInterrupt

    duel = run_duel(FollowYellow(), FollowYellow(), SUITE, pairs=10, on_pair=stop)
    assert (duel.n, duel.is_whole) == (3, False)


def test_a_metric_that_cannot_be_decided_by_is_refused():
    with pytest.raises(InvalidInput, match="no bounds"):
        run_duel(FollowYellow(), FollowYellow(), SUITE, metric="driven_lane_m")
    with pytest.raises(NotFound, match="Did you mean 'driving_score'"):
        run_duel(FollowYellow(), FollowYellow(), SUITE, metric="drivingscore")


def test_episodes_without_a_score_do_not_count_and_decide_nothing():
    duel = run_duel(FollowYellow(), NobodyThere(), Suite("s", "", SUITE.scenarios[:1]), pairs=1)
    assert (duel.n, duel.verdict) == (0, "no measurable difference")
