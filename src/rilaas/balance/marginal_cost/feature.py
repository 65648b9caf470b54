"""What the price looks at: how a placement would leave a server, and who else would want to be there.

All figures are dimensionless, times in units of the server's mean service time: one network serves all fleets.
``rilaas.learn.balancing.price_kernel`` holds the same formulas as loops, for training; a test compares the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.marginal_cost import table as row_of
from rilaas.balance.marginal_cost.table import LEAST_WINDOW_S, Table

Floats = NDArray[np.float64]

NAMES = (
    "idle slots after the placement, as a share",
    "idle slots after the placement, up to 4",
    "log wait of this request",
    "log wait of the next one",
    "log work per slot",
    "log size of this request",
    "one over the slots",
    "share of the arrivals that prefer this server",
    "log of what they gain by it",
    "load that they would bring",
    "load of the fleet",
    "log of what they would suffer",
    "log of how many come while this request is served",
    "squared coefficient of variation",
    "log wait of the next one over what is gained",
    "load that was placed there lately",
)
VERSION = 1  # of the formulas: a price fitted to others is refused
ORDER = (2, 3, 4, 8, 11, 12, 14, 0, 1, 5, 6, 7, 9, 10, 13, 15)  # of ``NAMES`` in the rows of a view: logarithms first
_LOGARITHMS = 7
MOST_GAIN = 20.0  # mean service times: what a server without an alternative is preferred by
_FADES = 0.3  # service times in which what a report showed of others has faded to their average; found by simulation
_SCATTER = 1.0  # standard deviations of others' number, were it Poisson
_SETTLED_S = 0.1  # rates of arrival are taken for constant that long


class View:
    """N queues as one of K models sees them that share them, with what is kept from one decision to the next.

    Args:
        table: The figures.
        rows: (K,) the models.
        columns: (N,) the queues.
        row: Index of the model in ``rows`` that is asked for.
    """

    def __init__(self, table: Table, rows: NDArray[np.intp], columns: NDArray[np.intp], row: int) -> None:
        self.rows, self.columns, self.row = rows, columns, row
        self.version = table.version
        self.up, self.service, down, unknown = table.times[:, rows[:, None], columns]
        self.size, self._up = self.service[row], self.up[row]
        self.base = self.up + self.service + down
        self.is_unknown = unknown[row] > 0.0
        self.has_unknown = bool(self.is_unknown.any())
        self.slots = table.state[row_of.SLOTS, columns]
        self._size_in_flight = (self.service**2).sum(0) / self.service.sum(0)
        self.mean_service = np.maximum(self.service.mean(0), 1e-3)
        self._size_per_slot = self.size / self.slots
        k, n = self.up.shape
        self._settled_until = -np.inf
        self.load = 0.0
        self._sums = np.ones((4, k, n))
        self._sums[2] = self.service
        self._total = 1.0
        self.x = np.ones((len(NAMES) + 1, n))
        self.state = np.zeros((row_of.ROWS, n))
        self.waits = np.zeros((k, n))
        self._scatter: Floats | None = None

    def look(self, table: Table, now: float, others: Floats | None, *, guessed: bool = False) -> Floats:
        """Own expected delay of a request on each server: (N,) [s]; ``waits`` (K, N) are left for ``inputs``.

        Args:
            table: The figures.
            now: Monotonic clock [s].
            others: (N,) requests there that were not placed here; None for none.
            guessed: Whether their numbers are expectations, around which the truth scatters.
        """
        state = self.state = table.state[:, self.columns]
        state[row_of.DRAINED] += now * state[row_of.DRIFT]
        self._scatter = None
        if others is not None:
            self._add(others, guessed=guessed)
        self._arrives = now + self.up
        waits = state[row_of.FIRST : row_of.SECOND, None, :] - self._arrives
        if self._scatter is not None:
            waits[1] = _positive_part(waits[1], self._scatter)
        np.maximum(waits, 0.0, out=waits)
        waits *= state[row_of.SURE : row_of.SURE_NEXT, None, :]
        self.waits = waits[0] + waits[1]
        own: Floats = self.base[self.row] + self.waits[self.row]
        return own

    def inputs(self, now: float, rates: Floats | None, crowd: int = 1) -> Floats:
        """What the network sees of a placement on each server, after ``look``.

        Args:
            now: Monotonic clock [s].
            rates: (K,) arrivals of each model [1/s], whoever they ask; None where those given before still hold.
            crowd: How many interceptors place as much work as this one.

        Returns:
            (F + 1, N) float64 in the order ``ORDER``, ones in the last row. The array is used again.
        """
        if rates is not None:
            self._settle(now, rates)
        state, x, size, row = self.state, self.x, self.size, self.row
        arrives = self._arrives[row]
        then = np.empty((2, len(size)))
        np.minimum(state[row_of.SECOND], np.maximum(state[row_of.FIRST], arrives) + size, out=then[0])
        np.add(state[row_of.DRAINED], self._size_per_slot, out=then[1])
        then -= arrives
        if self._scatter is not None:
            then[1] = _positive_part(then[1], self._scatter)
        np.maximum(then, 0.0, out=then)
        then *= state[row_of.SURE_NEXT : row_of.IDLE]
        next_wait = then[0] + then[1]
        sums = self._sums
        np.subtract(_best_elsewhere(self.base + self.waits), self.base, out=sums[1])
        np.minimum(sums[1], self._most_gain, out=sums[1])
        np.minimum(next_wait, sums[1], out=sums[3])
        share, gained, load, suffered = (sums * (self._rates * (sums[1] > 0.0))).sum(1)
        advantage = gained / np.maximum(share, 1e-12)
        work = np.maximum(state[row_of.WORK] - now * state[row_of.GOES], 0.0)
        np.multiply(self.waits[row], self._per_tau, out=x[0])
        np.multiply(next_wait, self._per_tau, out=x[1])
        np.multiply(work + size, self._per_slot_tau, out=x[2])
        np.multiply(advantage, self._per_tau, out=x[3])
        x[4] = suffered
        np.multiply(share, size, out=x[5])
        np.divide(next_wait, np.maximum(advantage, self._twentieth), out=x[6])
        np.log1p(x[:_LOGARITHMS], out=x[:_LOGARITHMS])
        x[7:9] = state[row_of.IDLE : row_of.COUNT]
        np.multiply(share, 1.0 / self._total, out=x[11])
        np.minimum(load / self.slots, 3.0, out=x[12])
        x[14] = state[row_of.THETA]
        window = np.maximum(state[row_of.WINDOW], LEAST_WINDOW_S)
        placed = state[row_of.FLOW] * np.exp((state[row_of.FLOW_AT] - now) / window)
        np.minimum(crowd * placed / (window * self.slots), 3.0, out=x[15])
        return x

    def crowd(self, table: Table, now: float) -> Floats:
        """(N,) others' requests when a request that is sent now has gone up, as reports let expect."""
        last, mean, heard = table.state[row_of.CROWD_LAST : row_of.HEARD + 1, self.columns]
        kept = np.exp(np.minimum(heard - now - self._up, 0.0) / (_FADES * self.mean_service))
        found: Floats = mean + (last - mean) * kept
        return found

    def needs_rates(self, now: float) -> bool:
        """Whether the rates given last are too old."""
        return now >= self._settled_until

    def _settle(self, now: float, rates: Floats) -> None:
        """What changes with the rates alone."""
        self._settled_until = now + _SETTLED_S
        self._rates = rates[:, None]
        self._total = max(float(rates.sum()), 1e-9)
        # Of a request that is met on a server: long ones are met more often than they are sent.
        self._size_in_flight = (rates @ self.service**2) / np.maximum(rates @ self.service, 1e-9)
        tau = np.maximum(rates @ self.service / self._total, 1e-6)
        self._per_tau, self._per_slot_tau = 1.0 / tau, 1.0 / tau / self.slots
        self._most_gain, self._twentieth = MOST_GAIN * tau, 0.05 * tau
        room = float(self.slots.sum())
        self.x[9] = np.clip(np.log(self.size / tau), -4.0, 4.0)
        self.x[10] = 1.0 / self.slots
        self.load = min(float(rates @ (self.service @ self.slots)) / room / room, 3.0)
        self.x[13] = self.load

    def _add(self, others: Floats, *, guessed: bool) -> None:
        """Count requests of which nobody knows when they came: they drain as if service had no memory."""
        state, slots = self.state, self.slots
        size = self._size_in_flight
        state[row_of.DRAINED] += others * size / slots
        state[row_of.WORK] += others * size
        there = state[row_of.COUNT] + others
        theta = np.maximum(state[row_of.THETA], others / np.maximum(there, 1.0))
        state[row_of.SURE] = state[row_of.SURE_NEXT] = 1.0 - theta
        if guessed:
            state[row_of.LOOSE] = state[row_of.LOOSE_NEXT] = theta
            self._scatter = _SCATTER * np.sqrt(others + 1e-9) * size / slots
        else:
            state[row_of.LOOSE] = theta * (there >= slots)
            state[row_of.LOOSE_NEXT] = theta * (there + 1.0 >= slots)
        idle = np.maximum(slots - there - 1.0, 0.0)
        state[row_of.IDLE] = idle / slots
        state[row_of.IDLE_FOUR] = np.minimum(idle, 4.0) / 4.0
        state[row_of.COUNT] = there


def _positive_part(mean: Floats, deviation: Floats) -> Floats:
    """Expectation of max(0, X) of a normal X, to within 2 % of the deviation: its distribution taken as logistic."""
    scale = 0.6 * deviation
    found: Floats = scale * np.logaddexp(0.0, mean / scale)
    return found


def _best_elsewhere(times: Floats) -> Floats:
    """(K, N) the smallest of each row without the element itself; inf where there is no other."""
    if times.shape[1] == 1:
        return np.full(times.shape, np.inf)
    two = np.partition(times, 1, axis=1)
    return np.where(times == two[:, :1], two[:, 1:2], two[:, :1])
