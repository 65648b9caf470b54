"""The rungs of a search: all candidates for a few epochs, the best for more, few for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rilaas.core import RilaasError
from rilaas.infer.target import Target
from rilaas.optimize.cache import Cache
from rilaas.optimize.candidates import Body, Candidate
from rilaas.optimize.engine import Made, make
from rilaas.optimize.gate import Gate
from rilaas.optimize.measure import own_target
from rilaas.optimize.pareto import pareto_ranks
from rilaas.optimize.passes.contract import Tell, silent
from rilaas.optimize.samples import Data
from rilaas.optimize.subject import Subject
from rilaas.optimize.trial import Trial, run_trials

FIRST, FACTOR = 2, 3
"""Epochs of the first rung, and by how much they grow and candidates shrink from rung to rung: Hyperband's 3."""

LAST = (8, 12, 16, 24, 32, 48, 64, 96)
"""Epochs of the last rung: the most that the budget allows; in steps, so that a second search asks for the same."""

_UNLIMITED = 32
_FINAL_BODIES = 2
_SHARES = (0.05, 0.15, 0.2, 0.6)  # of the progress: what does not train, and three rungs

_LIMITS = (1.0, 0.35, 0.6, 1.0)  # of the budget, spent until the end of each: the last rung has its part left


@dataclass(frozen=True, eq=False)
class Tried:
    """A candidate that was made and tried.

    Attributes:
        candidate: Which.
        made: Its network.
        trial: Its error on the validation part, and its time.
        epochs: It was trained for.
        seconds: What its training took when it was made [s].
    """

    candidate: Candidate
    made: Made
    trial: Trial
    epochs: int
    seconds: float


class Rungs:
    """Successive halving over what trains; what does not train is tried once.

    Time is told from what steps took when they were made, not from the clock: a search that finds all in its cache
    takes the same decisions as the first one.

    Attributes:
        dropped: Why candidates were left out, by name.
        count: How many networks were tried.
    """

    def __init__(
        self,
        subject: Subject,
        data: Data,
        gate: Gate,
        cache: Cache,
        *,
        seed: int = 0,
        budget_s: float | None = None,
        tell: Tell = silent,
    ) -> None:
        self._subject, self._data, self._gate = subject, data, gate
        self._seed, self._cache, self._budget_s, self._tell = seed, cache, budget_s, tell
        self._spent_s = 0.0
        self.dropped: dict[str, str] = {}
        self.count = 0

    def climb(self, candidates: Sequence[Candidate], deadline_s: float | None) -> list[Tried]:
        """What does not train, then three rungs.

        Returns:
            All that was tried, each after its longest training.
        """
        found: dict[str, Tried] = {}

        def rung(those: Sequence[Candidate], epochs: int, number: int) -> list[Tried]:
            tried = self._rung(those, epochs, number)
            found.update({each.candidate.name: each for each in tried})
            return tried

        soon = [each for each in candidates if not each.is_late]
        rung([each for each in soon if not each.body.trains], 0, 0)
        first = rung([each for each in soon if each.body.trains], FIRST, 1)
        bodies = self._best(first, deadline_s, max(_FINAL_BODIES, -(-len(_bodies(first)) // FACTOR)))
        second = rung([each.candidate for each in first if each.candidate.body in bodies], FIRST * FACTOR, 2)
        finalists = self._best(second, deadline_s, _FINAL_BODIES)
        if epochs := self._affordable(second, finalists):
            rung([each for each in candidates if each.body in finalists], epochs, 3)
        return list(found.values())

    def _rung(self, candidates: Sequence[Candidate], epochs: int, rung: int) -> list[Tried]:
        """Make and try candidates; those that fail are left out, those beyond the budget too."""
        made: dict[str, Made] = {}
        bodies: dict[Body, Made | None] = {}
        taken: dict[Body, float] = {}
        known = {each.name: each for each in candidates}
        for number, each in enumerate(candidates):
            if self._is_over(each.body, taken, rung):
                self.dropped[each.name] = f"the budget was spent before {epochs} epochs"
                continue
            tell = self._told(rung, number, len(candidates), each.name)
            if each.body not in bodies:  # what fails in itself is not begun again for each target
                body = Candidate(each.body, "", Target())
                bodies[each.body] = self._made(body, each.name, epochs, _between(tell, 0.0, 0.9))
            is_good = bodies[each.body] is not None
            one = self._made(each, each.name, epochs, _between(tell, 0.9, 1.0)) if is_good else None
            if one is None:
                self.dropped.setdefault(each.name, f"{each.body.name} failed")
                continue
            made[each.name] = one
            seconds = sum(step.seconds for step in one.steps[: len(each.body.rows)])
            if each.body.trains and each.body not in taken:
                self._spent_s += seconds
            taken.setdefault(each.body, seconds)
        self._told(rung, len(candidates), len(candidates), "")(0.0, "comparing")
        threads = candidates[0].target.threads if candidates else 1
        trials = run_trials(
            {name: (one.network, known[name].target) for name, one in made.items()},
            (self._subject.network, own_target(self._subject.folder, threads=threads)),
            self._data.validation,
            cache=self._cache,
            seed=self._seed,
        )
        self.count += len(trials)
        return [
            Tried(known[name], one, trials[name], epochs, taken[known[name].body])
            for name, one in made.items()
            if name in trials
        ]

    def _made(self, candidate: Candidate, name: str, epochs: int, tell: Tell) -> Made | None:
        try:
            recipe = candidate.recipe(epochs, self._gate)
            return make(recipe, self._subject, self._data, cache=self._cache, seed=self._seed, tell=tell)
        except RilaasError as error:  # it does not fit this network, or diverges: others do
            self.dropped[name] = error.message
            return None

    def _is_over(self, body: Body, taken: dict[Body, float], rung: int) -> bool:
        """Whether a training that was not begun yet has no time left."""
        over = self._budget_s is not None and self._spent_s > _LIMITS[rung] * self._budget_s
        return over and body.trains and body not in taken

    def _best(self, tried: Sequence[Tried], deadline_s: float | None, count: int) -> list[Body]:
        """Bodies with the best candidates: by Pareto rank of error and time, then by their product."""
        kept = [each for each in tried if deadline_s is None or each.trial.p50_s <= deadline_s] or list(tried)
        ranks = pareto_ranks([(each.trial.mse, _speed(each)) for each in kept])
        order = sorted(
            range(len(kept)), key=lambda index: (ranks[index], kept[index].trial.mse * _speed(kept[index]))
        )
        found = dict.fromkeys(kept[index].candidate.body for index in order)
        return list(found)[:count]

    def _affordable(self, tried: Sequence[Tried], bodies: Sequence[Body]) -> int:
        """The most epochs for which the rest of the budget is enough."""
        if self._budget_s is None:
            return _UNLIMITED
        each_s = {one.candidate.body: one.seconds / max(1, one.epochs) for one in tried}
        cost_s = sum(each_s[body] for body in bodies)
        left_s = self._budget_s - self._spent_s
        return max((epochs for epochs in LAST if epochs * cost_s <= left_s), default=0)

    def _told(self, rung: int, number: int, count: int, name: str) -> Tell:
        """Progress of one candidate as that of the search."""
        before, own = sum(_SHARES[:rung]), _SHARES[rung]

        def tell(share: float, words: str) -> None:
            place = f"rung {rung} of {len(_SHARES) - 1}" if rung else "without training"
            said = f"{place}{f', {name}' if name else ''}: {words}"
            self._tell(before + own * (number + share) / max(1, count + 1), said)

        return tell


def _bodies(tried: Sequence[Tried]) -> set[Body]:
    return {each.candidate.body for each in tried}


def _speed(tried: Tried) -> float:
    """Time against the float model's in the same rounds: comparable between runs."""
    return tried.trial.p50_s / tried.trial.base_p50_s


def _between(tell: Tell, low: float, high: float) -> Tell:
    """Progress of a part as that of the whole."""
    return lambda share, words: tell(low + (high - low) * share, words)
