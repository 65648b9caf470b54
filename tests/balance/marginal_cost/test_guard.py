"""The guard-rail: what it believes while expectations are off, and when it believes again."""

import pytest

from rilaas.balance.marginal_cost.guard import COUNTING, PRICED, SELFISH, Guard


def after(guard, factor, answers=400):
    """The levels that a guard goes through while answers take so many times longer than expected."""
    levels = []
    for _ in range(answers):
        guard.compare(0.1, 0.1 * factor)
        levels.append(guard.level)
    return [level for i, level in enumerate(levels) if i == 0 or level != levels[i - 1]]


def test_what_comes_true_is_believed():
    guard = Guard()
    assert after(guard, 1.0) == [PRICED]
    assert guard.error == 0.0


def test_single_answers_may_scatter_as_they_like():
    guard = Guard()
    for i in range(400):
        guard.compare(0.1, 0.0 if i % 2 else 0.2)
    assert guard.level == PRICED


@pytest.mark.parametrize(
    ("factor", "level"), [(1.5, PRICED), (2.0, SELFISH), (0.5, SELFISH), (5.0, COUNTING), (0.2, COUNTING)]
)
def test_how_far_off_it_is_says_what_is_believed_whether_too_slow_or_too_fast(factor, level):
    guard = Guard()
    after(guard, factor)
    assert guard.level == level


def test_nothing_is_judged_before_some_answers():
    guard = Guard()
    after(guard, 100.0, answers=10)
    assert guard.level == PRICED
    assert guard.error > 4.0


def test_belief_is_lost_and_returns_by_one_level_after_the_other():
    guard = Guard()
    after(guard, 1.0, 100)
    assert after(guard, 6.0) == [PRICED, SELFISH, COUNTING]
    assert after(guard, 1.0) == [COUNTING, SELFISH, PRICED]


def test_it_does_not_flutter_between_levels():
    guard = Guard()
    after(guard, 1.9)  # log 1.9 = 0.64
    assert guard.level == SELFISH
    assert after(guard, 1.5) == [SELFISH]  # log 1.5 = 0.41: not well enough yet
    assert after(guard, 1.2) == [SELFISH, PRICED]
    after(guard, 4.0)  # 1.39
    assert guard.level == COUNTING
    assert after(guard, 2.7) == [COUNTING]  # 0.99
    assert after(guard, 2.0)[-1] == SELFISH


def test_answers_that_take_no_time_at_all_do_no_harm():
    guard = Guard()
    for _ in range(100):
        guard.compare(0.0, 0.0)
    assert guard.level == PRICED
    assert guard.error == 0.0
