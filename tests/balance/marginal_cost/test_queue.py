"""Beliefs of a queue: when its slots are free, how much work is left, who runs and who waits."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.balance.marginal_cost.queue import FOUND, STARTS, Queue


def queue_of(slots, *jobs):
    """A queue with jobs (arrives_s, size_s), named 0, 1, 2, ..."""
    queue = Queue(slots, 0)
    for key, (arrives_s, size_s) in enumerate(jobs):
        queue.send(key, arrives_s, size_s)
    return queue


def running(queue):
    return [key for key, job in queue.jobs.items() if job[STARTS] != math.inf]


@pytest.mark.parametrize(("now", "left"), [(0.0, 1.0), (0.4, 0.6), (1.0, 0.0), (5.0, 0.0)])
def test_constant_times_run_out(now, left):
    queue = queue_of(1, (0.0, 1.0))
    queue.believe(now, theta=0.0)
    assert queue.work_s == pytest.approx(left)
    assert queue.drained_s == pytest.approx(now + left)
    assert queue.first_s == max(1.0, now)


@pytest.mark.parametrize("now", [0.0, 0.4, 1.0, 5.0])
def test_exponential_times_do_not_run_out(now):
    queue = queue_of(1, (0.0, 1.0))
    queue.believe(now, theta=1.0)
    assert queue.work_s == 1.0
    assert queue.drained_s == now + 1.0


def test_in_between_a_running_job_is_a_blend_of_both():
    queue = queue_of(1, (0.0, 1.0))
    queue.believe(0.5, theta=0.2)
    assert queue.work_s == pytest.approx(0.8 * 0.5 + 0.2 * 1.0)


def test_an_empty_queue_is_free_now_and_nothing_ends_there():
    queue = Queue(2, 0)
    queue.believe(7.0, theta=0.5)
    assert (queue.first_s, queue.second_s, queue.drained_s) == (7.0, 7.0, 7.0)
    assert (queue.work_s, queue.busy, queue.ends_s) == (0.0, 0, math.inf)


def test_a_single_slot_has_no_second():
    queue = queue_of(1, (0.0, 1.0))
    queue.believe(0.0, theta=0.0)
    assert queue.second_s == math.inf


def test_first_and_second_slot_are_those_that_are_free_first_and_second():
    queue = queue_of(3, (0.0, 3.0), (0.0, 1.0), (0.0, 2.0))
    queue.believe(0.5, theta=0.0)
    assert (queue.first_s, queue.second_s) == (1.0, 2.0)
    assert queue.ends_s == 1.0


def test_who_waits_goes_to_the_slot_that_is_free_first():
    queue = queue_of(2, (0.0, 1.0), (0.0, 4.0), (0.0, 1.0), (0.0, 1.0))
    queue.believe(0.0, theta=0.0)
    assert running(queue) == [0, 1]
    assert (queue.first_s, queue.second_s) == (3.0, 4.0)


def test_a_job_that_is_still_on_its_way_has_its_slot_until_it_has_come_and_gone():
    queue = queue_of(1, (2.0, 1.0))
    queue.believe(0.0, theta=0.0)
    assert queue.first_s == 3.0
    assert queue.work_s == 3.0


def test_drained_is_the_mean_wait_of_exponential_servers_that_are_all_busy():
    # c busy slots and k waiting: a slot is free for the next one after (k + 1) departures at rate c / size.
    queue = queue_of(4, *[(0.0, 2.0)] * 7)
    queue.believe(0.0, theta=1.0)
    assert queue.drained_s == pytest.approx((3 + 1) * 2.0 / 4)


def test_whoever_waited_longest_starts_when_one_has_left():
    queue = queue_of(2, *[(0.0, 1.0)] * 4)
    queue.end(1, 0.7)
    assert running(queue) == [0, 2]
    assert queue.jobs[2][STARTS] == 0.7
    queue.end(3, 0.8)  # one that waited gave up
    assert running(queue) == [0, 2]


def test_who_starts_later_than_it_was_free_starts_when_it_arrives():
    queue = queue_of(1, (0.0, 1.0), (3.0, 1.0))
    queue.end(0, 1.0)
    assert queue.jobs[1][STARTS] == 3.0


def test_a_job_that_nobody_knows_ends_without_harm():
    queue = queue_of(1, (0.0, 1.0), (0.0, 1.0))
    assert queue.end("another", 0.5) is None
    assert running(queue) == [0]


def test_more_slots_let_those_run_that_waited():
    queue = queue_of(1, *[(0.0, 1.0)] * 4)
    queue.resize(3)
    assert running(queue) == [0, 1, 2]


def test_fewer_slots_let_nobody_start_until_enough_have_left():
    queue = queue_of(3, *[(0.0, 1.0)] * 5)
    queue.resize(1)
    queue.end(0, 1.0)
    queue.end(1, 1.0)
    assert running(queue) == [2]
    queue.end(2, 2.0)
    assert running(queue) == [3]
    queue.believe(2.0, theta=0.0)
    assert queue.busy == 1
    assert queue.first_s == 4.0


def test_outcomes_that_never_come_do_not_fill_it_for_ever_nor_stop_those_that_wait():
    queue = Queue(2, 0)
    for key in range(5000):
        queue.send(key, float(key), 1.0)
    assert len(queue.jobs) == 512
    assert len(running(queue)) == 2
    queue.believe(5000.0, theta=0.0)
    assert queue.ends_s < math.inf


def test_a_job_knows_how_many_it_found_when_it_arrived():
    queue = queue_of(2, (0.0, 1.0), (0.1, 1.0), (2.0, 1.0))
    assert [job[FOUND] for job in queue.jobs.values()] == [0, 1, 2]
    queue.end(0, 1.5)
    queue.has_left(1.0)
    assert [job[FOUND] for job in queue.jobs.values()] == [1, 1]  # the second was there with it, the third came later


def test_who_is_on_the_server_by_a_time_is_counted():
    queue = queue_of(1, (1.0, 1.0), (2.0, 1.0), (3.0, 1.0))
    assert [queue.arrived(by_s) for by_s in (0.5, 2.0, 9.0)] == [0, 2, 3]


def first_come_first_served(slots, jobs):
    """When each slot is free, from the definition."""
    free = [0.0] * slots
    for arrives_s, size_s in jobs:
        at = free.index(min(free))
        free[at] = max(free[at], arrives_s) + size_s
    return sorted(free)


@given(slots=st.integers(1, 5), sizes=st.lists(st.floats(0.01, 9.0), max_size=12))
def test_with_constant_times_the_free_slots_are_those_of_first_come_first_served(slots, sizes):
    jobs = [(0.0, size) for size in sizes]
    queue = queue_of(slots, *jobs)
    queue.believe(0.0, theta=0.0)
    expected = first_come_first_served(slots, jobs)
    assert queue.first_s == pytest.approx(expected[0])
    assert queue.second_s == (pytest.approx(expected[1]) if slots > 1 else math.inf)
    assert queue.work_s == pytest.approx(sum(sizes))


@given(
    slots=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from(["send", "end", "end", "resize"]), st.integers(0, 9)), max_size=60),
    theta=st.floats(0.0, 1.0),
)
def test_whatever_happens_as_many_run_as_there_are_slots_and_they_came_first(slots, steps, theta):
    queue, now, key = Queue(slots, 0), 0.0, 0
    shrunk = False
    for what, number in steps:
        now += 0.1
        if what == "send":
            queue.send(key, now + 0.05, 0.1 + number / 10)
            key += 1
        elif what == "end" and queue.jobs:
            queue.end(list(queue.jobs)[number % len(queue.jobs)], now)
        elif what == "resize":
            shrunk |= number % 4 + 1 < queue.slots
            queue.resize(number % 4 + 1)
        assert running(queue) == list(queue.jobs)[: len(running(queue))]
        if not shrunk:
            assert len(running(queue)) == min(queue.slots, len(queue.jobs))
        assert len(running(queue)) >= min(queue.slots, len(queue.jobs))
        queue.believe(now, theta)
        assert now <= queue.first_s <= queue.second_s
        assert queue.work_s >= 0.0
        assert queue.drained_s <= now + queue.work_s / queue.slots + 1e-9
