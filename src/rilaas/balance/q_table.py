"""The Q-function of one agent: a table where it is small enough, else a sum of small tables.

Counts are put into bins, so that a state seen never before is like one that was. With B bins and N servers the whole
table has B^(2N) states: 4,096 for two servers, 262,144 for three, of which no training sees more than a fraction.
Above ``TABLE_STATES`` the Q-function is linear in tiles: for each action one B by B tile for every server, over that
server's (p, q), and Q(s, a) is the sum of the N tiles that s lights up (Sutton & Barto, Reinforcement Learning, 2nd
edition, section 9.5). It knows no interplay between servers beyond the sum, and has N^2 B^2 weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from rilaas.balance.counted_state import Counts
from rilaas.core import InvalidInput

EDGES = (1, 2, 3, 4, 5, 7, 10)
"""Where bins begin, after the first: 0, 1, 2, 3, 4, 5-6, 7-9, 10 and more requests in flight."""
TABLE_STATES = 100_000
_LAST_EDGE = 4096


class QFunction(Protocol):
    """Q(s, a) of one agent, for all actions of a state at once."""

    def values(self, state: Counts) -> Sequence[float]:
        """(N,) Q of each server, 0 (which no reward reaches) where it was never tried."""
        ...

    def tried(self, state: Counts) -> Sequence[float]:
        """(N,) how often each server was tried in this state or one that counts as it."""
        ...

    def learn(self, state: Counts, action: int, target: float) -> None:
        """Move Q(s, a) towards a target."""
        ...

    def arrays(self) -> dict[str, np.ndarray]:
        """What it takes to make the same one with ``read_q``."""
        ...


class Bins:
    """Which bin a count falls into.

    Args:
        edges: Where bins begin, after the first one; rising, from 1 to 4096.

    Raises:
        InvalidInput: They do not rise.
    """

    def __init__(self, edges: Sequence[int] = EDGES) -> None:
        if not edges or edges[0] < 1 or edges[-1] > _LAST_EDGE or sorted(set(edges)) != list(edges):
            raise InvalidInput(f"Bins begin at rising counts from 1 to {_LAST_EDGE}; got {list(edges)}.")
        self.edges = tuple(edges)
        self.count = len(self.edges) + 1
        self._of = [sum(value >= edge for edge in self.edges) for value in range(self.edges[-1] + 1)]
        self._last = self.edges[-1]

    def of(self, state: Counts) -> Counts:
        """The bins of a state's counts, in the same order."""
        of, last = self._of, self._last
        return tuple([of[count] if count < last else of[last] for count in state])


class StepSize:
    """How far an estimate moves: 1 / n^0.7 at the n-th time, and not less than a floor.

    The exponent lies between 1/2 and 1, where Q-learning converges (Even-Dar & Mansour, Learning rates for
    Q-learning, JMLR 5, 2003, recommend about 0.77); the floor lets it follow a change.

    Args:
        least: The floor.
    """

    def __init__(self, least: float) -> None:
        self._of: list[float] = [1.0] + [max(least, float(n) ** -0.7) for n in range(1, 2048)]
        self.least = least

    def at(self, times: float) -> float:
        """The step at the n-th time, n >= 1."""
        return self._of[int(times)] if times < len(self._of) else max(self.least, self._of[-1])


class QTable:
    """One value for each combination of bins and action; only those that were met are kept.

    Args:
        bins: Of the counts.
        servers: How many.
        step: How far an estimate moves.
    """

    def __init__(self, bins: Bins, servers: int, step: StepSize) -> None:
        self._bins, self._servers, self._step = bins, servers, step
        self._values: dict[Counts, list[float]] = {}
        self._tried: dict[Counts, list[float]] = {}
        self._untried = [0.0] * servers

    def values(self, state: Counts) -> Sequence[float]:
        """See ``QFunction.values``."""
        return self._values.get(self._bins.of(state), self._untried)

    def tried(self, state: Counts) -> Sequence[float]:
        """See ``QFunction.tried``."""
        return self._tried.get(self._bins.of(state), self._untried)

    def learn(self, state: Counts, action: int, target: float) -> None:
        """See ``QFunction.learn``."""
        key = self._bins.of(state)
        values = self._values.get(key)
        if values is None:
            values = self._values[key] = [0.0] * self._servers
            self._tried[key] = [0.0] * self._servers
        tried = self._tried[key]
        tried[action] += 1.0
        values[action] += self._step.at(tried[action]) * (target - values[action])

    def arrays(self) -> dict[str, np.ndarray]:
        """``states`` (V, 2 N) bins, ``values`` (V, N), ``tried`` (V, N), in rising order of the states."""
        keys = sorted(self._values)
        shape = (len(keys), self._servers)
        return {
            "states": np.array(keys, np.uint8).reshape(len(keys), 2 * self._servers),
            "values": np.array([self._values[key] for key in keys], np.float64).reshape(shape),
            "tried": np.array([self._tried[key] for key in keys], np.float64).reshape(shape),
        }

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what ``arrays`` gave."""
        keys = [tuple(int(each) for each in row) for row in arrays["states"]]
        self._values = dict(zip(keys, arrays["values"].tolist(), strict=True))
        self._tried = dict(zip(keys, arrays["tried"].tolist(), strict=True))


class QTiles:
    """The sum of a tile for each server, linear in what is learned.

    Args:
        bins: Of the counts.
        servers: How many.
        step: How far an estimate moves.
    """

    def __init__(self, bins: Bins, servers: int, step: StepSize) -> None:
        self._bins, self._servers, self._step = bins, servers, step
        self._weights = np.zeros((servers, servers * bins.count**2))
        self._tried = np.zeros((servers, servers * bins.count**2))
        self._own = np.arange(servers)
        self._first = self._own * bins.count**2

    def values(self, state: Counts) -> Sequence[float]:
        """See ``QFunction.values``."""
        values: list[float] = self._weights[:, self._lit(state)].sum(axis=1).tolist()
        return values

    def tried(self, state: Counts) -> Sequence[float]:
        """See ``QFunction.tried``: when the server itself was as busy, whatever the others were."""
        tried: list[float] = self._tried[self._own, self._lit(state)].tolist()
        return tried

    def learn(self, state: Counts, action: int, target: float) -> None:
        """See ``QFunction.learn``: every tile that is lit takes an equal part of the step."""
        lit = self._lit(state)
        self._tried[action, lit] += 1.0
        step = self._step.at(float(self._tried[action, lit[action]])) / self._servers
        self._weights[action, lit] += step * (target - float(self._weights[action, lit].sum()))

    def arrays(self) -> dict[str, np.ndarray]:
        """``weights`` and ``tried``: (N actions, N servers * B * B)."""
        return {"weights": self._weights.copy(), "tried": self._tried.copy()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Take over what ``arrays`` gave."""
        self._weights, self._tried = arrays["weights"].astype(float), arrays["tried"].astype(float)

    def _lit(self, state: Counts) -> np.ndarray:
        bins = np.array(self._bins.of(state))
        lit: np.ndarray = self._first + bins[0::2] * self._bins.count + bins[1::2]
        return lit


def make_q(bins: Bins, servers: int, step: StepSize) -> QTable | QTiles:
    """The Q-function for so many servers: a table where it has at most ``TABLE_STATES`` states, else tiles."""
    is_small = bins.count ** (2 * servers) <= TABLE_STATES
    return QTable(bins, servers, step) if is_small else QTiles(bins, servers, step)


def read_q(arrays: Mapping[str, np.ndarray], bins: Bins, servers: int, step: StepSize) -> QTable | QTiles:
    """The Q-function that ``arrays`` were taken from.

    Raises:
        InvalidInput: Their shapes are not those for so many servers and bins.
    """
    made = make_q(bins, servers, step)
    shapes = {name: array.shape for name, array in made.arrays().items()}
    if isinstance(made, QTable):
        rows = arrays["states"].shape[:1] if "states" in arrays else ()
        shapes = {name: (*rows, *shape[1:]) for name, shape in shapes.items()}
    if {name: array.shape for name, array in arrays.items()} != shapes:
        raise InvalidInput(f"The Q-function of {servers} servers and {bins.count} bins has arrays of other shapes.")
    made.restore(arrays)
    return made
