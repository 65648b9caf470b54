"""Loads come at the rates that they say; the document's 13 are there."""

import numpy as np
import pytest

from rilaas.balance.simulation import PROFILES, Duration, Profile, Robots, Sinusoid, Steps, Trace, read_load
from rilaas.balance.simulation.rate import constant, with_spikes
from rilaas.core import InvalidInput

MODELS = ("a", "b")


def test_the_documents_13_profiles_are_there_in_its_order():
    assert list(PROFILES) == [
        *(f"uniform-{rate}" for rate in (1, 2, 4, 8)),
        "step",
        "spike",
        *(f"poisson-{rate}" for rate in (1, 2, 4, 8)),
        *(f"sinusoidal-{frequency}" for frequency in (0.05, 0.01, 0.08)),
    ]
    assert {profile.duration_s for profile in PROFILES.values()} == {120.0}


@pytest.mark.parametrize("name", PROFILES)
def test_a_profiles_arrivals_ascend_within_its_time_and_its_models_alternate(name):
    at_s, model = PROFILES[name].arrivals(3)
    assert (np.diff(at_s) >= 0).all()
    assert at_s[0] >= 0
    assert at_s[-1] < 120.0
    assert (model == np.arange(len(at_s)) % 2).all()


@pytest.mark.parametrize("rate", [1, 2, 4, 8])
def test_uniform_requests_come_one_period_apart_from_a_random_phase(rate):
    at_s, _ = read_load(f"uniform-{rate}").arrivals(0)
    assert len(at_s) == 120 * rate
    assert np.diff(at_s) == pytest.approx(1 / rate)
    assert at_s[0] != read_load(f"uniform-{rate}").arrivals(1)[0][0]


def test_the_step_profile_asks_1_2_3_and_4_times_a_second():
    at_s, _ = PROFILES["step"].arrivals(0)
    assert np.histogram(at_s, [0, 30, 60, 90, 120])[0].tolist() == [30, 60, 90, 120]


def test_the_spike_profile_adds_13_requests_a_second_for_2_seconds_four_times():
    at_s, _ = PROFILES["spike"].arrivals(0)
    in_a_spike = sum(((at_s >= begin) & (at_s < begin + 2)).sum() for begin in (15, 45, 75, 105))
    assert in_a_spike == 4 * 2 * 15
    assert len(at_s) == 4 * 2 * 15 + 112 * 2


def test_poisson_requests_have_gaps_as_random_as_their_mean():
    profile = Profile("p", MODELS, constant(50.0), "poisson", 400.0)
    gaps = np.diff(profile.arrivals(0)[0])
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 50, rel=0.03)
    counts = [len(read_load("poisson-8").arrivals(seed)[0]) for seed in range(200)]
    assert np.mean(counts) == pytest.approx(960, rel=0.01)
    assert np.var(counts) == pytest.approx(960, rel=0.35)


@pytest.mark.parametrize("frequency", [0.05, 0.01, 0.08])
def test_sinusoidal_requests_swing_from_1_to_8_a_second(frequency):
    profile = PROFILES[f"sinusoidal-{frequency}"]
    rate = profile.rate.at(np.linspace(0, 120, 12_001))
    assert (rate.min(), rate.max()) == pytest.approx((1.0, 8.0), abs=1e-3)
    at_s, _ = profile.arrivals(0)
    middle = (at_s[1:] + at_s[:-1]) / 2
    assert 1 / np.diff(at_s) == pytest.approx(profile.rate.at(middle), rel=0.12)


def test_a_rate_of_0_lets_nothing_come():
    profile = Profile("gap", MODELS, Steps((0.0, 5.0, 10.0), (0.0, 2.0, 0.0)), "even", 20.0)
    at_s, _ = profile.arrivals(0)
    assert len(at_s) == 10
    assert at_s.min() >= 5.0
    assert at_s.max() < 10.0


def test_models_are_drawn_by_their_shares():
    _, model = Profile("p", MODELS, constant(100.0), "even", 100.0, (0.8, 0.2)).arrivals(0)
    assert model.mean() == pytest.approx(0.2, abs=0.015)


def test_the_same_seed_gives_the_same_arrivals_and_another_seed_others():
    first, again, other = (read_load("poisson-4").arrivals(seed)[0] for seed in (5, 5, 6))
    assert first.tolist() == again.tolist() != other.tolist()


def test_loads_like_the_documents_can_have_other_rates():
    assert len(read_load("uniform-16").arrivals(0)[0]) == 1920
    assert read_load("poisson-0.5").name == "poisson-0.5"
    assert read_load("sinusoidal-0.2").rate.frequency_hz == 0.2
    assert read_load("robots-100").count == 100


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: constant(-1.0), "0 or more"),
        (lambda: constant(float("nan")), "0 or more"),
        (lambda: constant(0.0), "nothing would ever"),
        (lambda: Steps((1.0,), (1.0,)), "from 0 s"),
        (lambda: Steps((0.0, 0.0), (1.0, 2.0)), "ascend"),
        (lambda: Steps((0.0, float("nan")), (1.0, 2.0)), "ascend"),
        (lambda: Sinusoid(1.0, 2.0, 0.1), "at most the mean"),
        (lambda: Sinusoid(1.0, 0.5, 0.0), "above 0"),
        (lambda: with_spikes(1.0, 2.0, 5.0, (0.0, 3.0)), "do not overlap"),
        (lambda: with_spikes(1.0, -2.0, 5.0, (1.0,)), "0 or more"),
        (lambda: Profile("p", (), constant(1.0)), "one or more"),
        (lambda: Profile("p", MODELS, constant(1.0), "poison"), "Did you mean 'poisson'"),
        (lambda: Profile("p", MODELS, constant(1.0), duration_s=0.0), "above 0"),
        (lambda: Profile("p", MODELS, constant(1.0), shares=(0.5, 0.6)), "sum to 1.1"),
        (lambda: Profile("p", MODELS, constant(1.0), shares=(1.0,)), "1 shares for 2 models"),
        (lambda: Trace("t", MODELS, (0.0, 2.0, 1.0), (0, 1, 0), 9.0), "ascend"),
        (lambda: Trace("t", MODELS, (0.0, 2.0), (0, 1), 1.0), "goes on after"),
        (lambda: Robots("r", MODELS, 0, MODELS, Duration(1.0)), "1 or more"),
        (lambda: Robots("r", MODELS, 1, ("c",), Duration(1.0)), "Available: a, b"),
        (lambda: Robots("r", MODELS, 1, (), Duration(1.0)), "ask for nothing"),
    ],
)
def test_an_impossible_load_says_what_would_be_possible(make, said):
    with pytest.raises(InvalidInput) as raised:
        make()
    assert said in str(raised.value)
