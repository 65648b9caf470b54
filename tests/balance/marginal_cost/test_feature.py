"""What a policy sees of a fleet, and what its price was trained on: the same to nine digits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rilaas.balance.marginal_cost import table as row_of
from rilaas.balance.marginal_cost.feature import NAMES, ORDER, VERSION, View
from rilaas.balance.marginal_cost.price import LAYERS, Price
from rilaas.balance.marginal_cost.queue import ARRIVES, SIZE, STARTS, Queue
from rilaas.balance.marginal_cost.table import Table
from tests.balance.marginal_cost.talk import layers

pytest.importorskip("numba")

from rilaas.learn.balancing import price_kernel as kernel
from rilaas.learn.balancing.price_system import random_system


class Twins:
    """One random fleet in one random state, as the policy has it and as the training has it."""

    def __init__(self, seed):
        random = np.random.default_rng(seed)
        self.system = fleet = random_system(random)
        self.n, self.k = len(fleet.slots), len(fleet.rates)
        self.now = 50.0
        self.rates = fleet.rates * np.exp(random.normal(0.0, 0.1, self.k))
        self.model = int(random.integers(self.k))
        self._queues(random)
        self._table(random)
        self._kernel()

    def _queues(self, random):
        fleet = self.system
        self.queues = []
        for i in range(self.n):
            queue = Queue(int(fleet.slots[i]), i)
            longest = 2.0 * float(fleet.service.max())
            sent = np.sort(self.now - random.uniform(0.0, longest, int(random.integers(0, 3 * fleet.slots[i] + 2))))
            for key, sent_s in enumerate(sent):
                model = int(random.integers(self.k))
                queue.send(key, sent_s + fleet.up[model, i], float(fleet.service[model, i]))
            for key in random.permutation(len(sent))[: int(random.integers(0, len(sent) + 1))]:
                queue.end(int(key), self.now - float(random.uniform(0.0, 0.1)))
            self.queues.append(queue)

    def _table(self, random):
        fleet, table = self.system, Table()
        table.grow_rows(self.k)
        self.flow = np.zeros((3, self.n))
        for i, queue in enumerate(self.queues):
            assert table.add_column() == i
            for m in range(self.k):
                table.write_times(m, i, fleet.up[m, i], fleet.service[m, i], fleet.down[m, i], guessed=False)
            queue.believe(self.now, fleet.theta)
            table.write_queue(queue, fleet.theta, math.inf, -math.inf)
            mean = float(fleet.service[:, i].mean())
            for at_s in np.sort(self.now - random.uniform(0.0, 9.0, 5)):
                table.count_work(i, at_s, mean, mean)
        self.flow[:] = table.state[[row_of.FLOW, row_of.FLOW_AT, row_of.WINDOW], : self.n]
        self.table = table

    def _kernel(self):
        self.jobs, self.counts = np.zeros((5, self.n, kernel.ROOM)), np.zeros(self.n, np.int64)
        for i, queue in enumerate(self.queues):
            for place, job in enumerate(queue.jobs.values()):
                self.jobs[kernel.ARRIVES, i, place] = job[ARRIVES]
                self.jobs[kernel.SIZE, i, place] = job[SIZE]
                self.jobs[kernel.STARTS, i, place] = job[STARTS]
            self.counts[i] = len(queue.jobs)

    def seen_by_the_policy(self):
        """(N,) own delay [s], (N, F) features in the order of their names."""
        view = View(self.table, np.arange(self.k), np.arange(self.n), self.model)
        own = view.look(self.table, self.now, None)
        x = view.inputs(self.now, self.rates)
        named = np.empty((self.n, len(NAMES)))
        named[:, list(ORDER)] = x[:-1].T
        return own, named, x

    def seen_by_the_training(self):
        fleet = self.system
        x = np.zeros((self.n, kernel.INPUTS))
        fleet = (fleet.up, fleet.service, fleet.down, fleet.slots, fleet.theta)
        state = (self.jobs, self.counts, np.zeros((self.n, kernel.MOST_SLOTS)), self.flow)
        own = kernel.weigh(self.now, self.model, self.rates, fleet, state, x)
        return own, x


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 2**32))
def test_policy_and_training_see_the_same_of_any_fleet(seed):
    twins = Twins(seed)
    own, named, _ = twins.seen_by_the_policy()
    trained_own, trained = twins.seen_by_the_training()
    assert own == pytest.approx(trained_own, rel=1e-9, abs=1e-9)
    for i, name in enumerate(NAMES):
        assert named[:, i] == pytest.approx(trained[:, i], rel=1e-9, abs=1e-9), name


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_policy_and_training_make_the_same_price_of_it(seed):
    twins = Twins(seed)
    weights = layers(seed % 7)
    _, _, x = twins.seen_by_the_policy()
    _, trained = twins.seen_by_the_training()
    network, hidden = tuple(weights[name] for name in LAYERS), np.zeros((1, len(weights["b1"])))
    expected = [kernel.price(row, *network, hidden) for row in trained]
    found = Price(weights, {"features": VERSION})(x)
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
    assert (found >= 0.0).all()


@settings(deadline=None)
@given(seed=st.integers(0, 2**32))
def test_policy_and_training_believe_the_same_of_a_queue(seed):
    twins = Twins(seed)
    out, free = np.zeros(5), np.zeros(kernel.MOST_SLOTS)
    for i, queue in enumerate(twins.queues):
        theta = twins.system.theta
        kernel.believe(twins.now, twins.jobs, twins.counts[i], twins.system.slots[i], theta, i, free, out)
        believed = (queue.first_s, queue.second_s, queue.drained_s, len(queue.jobs), queue.work_s)
        assert believed == pytest.approx(tuple(out), rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), later_s=st.floats(0.0, 0.01))
def test_a_belief_that_is_a_little_older_is_carried_on_to_now(seed, later_s):
    twins = Twins(seed)
    running = [job for queue in twins.queues for job in queue.jobs.values() if job[STARTS] != math.inf]
    edges = [edge for job in running for edge in (job[STARTS], job[STARTS] + job[SIZE])]
    if any(twins.now - 1e-9 <= edge <= twins.now + later_s + 1e-9 for edge in edges):
        return  # somebody starts or ends within it: then only an answer makes it new
    if any(job[STARTS] > twins.now or job[STARTS] + job[SIZE] < twins.now for job in running):
        return
    twins.now += later_s
    own, named, _ = twins.seen_by_the_policy()
    trained_own, trained = twins.seen_by_the_training()
    assert own == pytest.approx(trained_own, rel=1e-9, abs=1e-9)
    assert named == pytest.approx(trained, rel=1e-9, abs=1e-9)


def test_every_feature_has_a_name_and_a_place():
    assert sorted(ORDER) == list(range(len(NAMES)))
    assert len(set(NAMES)) == len(NAMES) == kernel.INPUTS


@settings(deadline=None)
@given(seed=st.integers(0, 2**32), factor=st.floats(0.01, 100.0))
def test_features_have_no_unit(seed, factor):
    # Slower servers and as much rarer requests: the same picture, but for the window of lately placed work.
    twins, slower = Twins(seed), Twins(seed)
    fleet = slower.system
    for each in (fleet.up, fleet.service, fleet.down):
        each *= factor
    slower.rates = slower.rates / factor
    slower.now *= factor
    slower.jobs[: kernel.STARTS + 1] *= factor
    x, scaled = twins.seen_by_the_training()[1], slower.seen_by_the_training()[1]
    kept = [i for i in range(kernel.INPUTS) if i != 15]
    assert scaled[:, kept] == pytest.approx(x[:, kept], rel=1e-6, abs=1e-6)


def view_of(others=None, guessed=False, slots=2, count=0):
    """A near server and a far one, one model of 100 ms, with requests of others on both."""
    table = Table()
    table.grow_rows(1)
    for i, up_s in enumerate((0.0, 0.2)):
        queue = Queue(slots, table.add_column())
        for key in range(count):
            queue.send(key, 10.0, 0.1)
        table.write_times(0, i, up_s, 0.1, 0.0, guessed=False)
        queue.believe(10.0, 0.1)
        table.write_queue(queue, 0.1, math.inf, -math.inf)
    view = View(table, np.arange(1), np.arange(2), 0)
    own = view.look(table, 10.0, None if others is None else np.array(others, float), guessed=guessed)
    return view, own


def test_without_anybody_there_the_delay_is_way_and_service():
    _, own = view_of()
    assert own == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize("guessed", [False, True])
def test_others_requests_make_a_server_slower_the_more_there_are(guessed):
    owns = [view_of([count, 0.0], guessed)[1][0] for count in (0.0, 2.0, 4.0, 8.0)]
    assert owns == sorted(owns)
    assert owns[-1] > owns[0] + 0.2


def test_none_of_others_is_the_same_as_zero_of_them():
    for count in (0, 1, 3):
        none, zero = view_of(count=count), view_of([0.0, 0.0], count=count)
        assert zero[1] == pytest.approx(none[1])
        assert zero[0].inputs(10.0, np.ones(1)) == pytest.approx(none[0].inputs(10.0, np.ones(1)))
