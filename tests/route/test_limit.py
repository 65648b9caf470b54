import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import RateLimited
from rilaas.route.access import Grant
from rilaas.route.limit import RateLimits, TokenBucket


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_full_bucket_lets_the_burst_through_and_then_says_how_long_to_wait():
    clock = Clock()
    bucket = TokenBucket(10.0, 3, clock)
    assert [bucket.take() for _ in range(3)] == [0.0, 0.0, 0.0]
    assert bucket.take() == pytest.approx(0.1)
    clock.now = 0.1
    assert bucket.take() == 0.0


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 50),
    gaps=st.lists(st.floats(0, 1), max_size=200),
)
def test_no_pattern_of_requests_gets_more_than_burst_plus_rate_times_time(rate, burst, gaps):
    clock = Clock()
    bucket = TokenBucket(rate, burst, clock)
    passed = 0
    for gap in gaps:
        clock.now += gap
        passed += bucket.take() == 0.0
    assert passed <= burst + rate * clock.now + 1e-6


def test_each_robot_and_model_has_its_own_bucket():
    limits = RateLimits(Clock())
    grant = Grant(1.0, 1)
    limits.check("a", "m", grant)
    limits.check("a", "n", grant)
    limits.check("b", "m", grant)
    with pytest.raises(RateLimited, match=r"Robot 'a' may ask 'm' 1 times a second, 1 at once.*Try again in 1 s"):
        limits.check("a", "m", grant)


def test_a_changed_grant_is_in_force_at_once():
    limits = RateLimits(Clock())
    limits.check("a", "m", Grant(1.0, 1))
    limits.check("a", "m", Grant(1.0, 2))


def test_a_grant_without_a_rate_is_unlimited():
    limits = RateLimits(Clock())
    for _ in range(10_000):
        limits.check("a", "m", Grant())
