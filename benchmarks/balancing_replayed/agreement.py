"""How far a simulation is from what was measured: by policy and model, and in the order of the policies."""

from dataclasses import dataclass

import numpy as np

from rilaas.report import Metric, summarize

from .experiment import repetition_of


@dataclass(frozen=True)
class Agreement:
    """Ratios of simulated to measured mean latency, one per repetition, and what follows from them.

    Attributes:
        ratios: (load, policy, model or '') -> (R,) float; '' is the mean of the models' means.
        orders: load, or '' for the mean over all loads -> Spearman's rank correlation of the policies.
    """

    ratios: dict
    orders: dict

    def ratio(self, policy, model=""):
        """Of a policy over all loads: a ``Metric`` over repetitions."""
        rows = [values for (_, name, of), values in self.ratios.items() if name == policy and of == model]
        return summarize(np.mean(rows, axis=0), "1")

    def worst(self):
        """The cell whose ratio, in the mean over repetitions, is furthest from 1: (load, policy, model), Metric."""
        cells = {key: values for key, values in self.ratios.items() if key[2]}
        key = max(cells, key=lambda each: abs(np.log(cells[each].mean())))
        return key, summarize(cells[key], "1")

    def within(self, share):
        """Which share of all cells (load, policy, model) is at most so far from 1."""
        return float(np.mean([abs(values.mean() - 1.0) <= share for key, values in self.ratios.items() if key[2]]))

    @property
    def error(self):
        """Mean over the cells (load, policy, model) of how far their ratio is from 1."""
        return float(np.mean([abs(values.mean() - 1.0) for key, values in self.ratios.items() if key[2]]))


def agreement(real, simulated):
    """Compare two ``Comparison`` of the same loads and policies.

    Args:
        real: One digest per repetition.
        simulated: Some digests per repetition, as ``run_simulated`` numbers them.
    """
    models = [*enumerate(real.cluster.models), (None, "")]
    ratios, means = {}, {}
    for load in real.loads:
        for policy in real.policies:
            for index, model in models:
                measured = {each.seed: each.mean_s(index) for each in real.digests[load.name, policy]}
                guesses = {seed: [] for seed in measured}
                for each in simulated.digests[load.name, policy]:
                    guesses[repetition_of(each.seed)].append(each.mean_s(index))
                guessed = {seed: float(np.mean(values)) for seed, values in guesses.items()}
                ratios[load.name, policy, model] = np.array([guessed[seed] / measured[seed] for seed in measured])
                if not model:
                    means[load.name, policy] = np.mean(list(measured.values())), np.mean(list(guessed.values()))
    return Agreement(ratios, _orders(real, means))


def ratio_text(metric: Metric):
    """A ratio with its interval over repetitions; without one where there was but one."""
    return f"{metric.mean:.2f} [{metric.low:.2f}, {metric.high:.2f}]" if metric.n > 1 else f"{metric.mean:.2f}"


def rank_correlation(a, b):
    """Spearman's: the correlation of the ranks; tied values share theirs. NaN where one does not vary.

    Source: Spearman, The proof and measurement of association between two things, 1904.
    """
    ranks = [_ranks(np.asarray(values, float)) for values in (a, b)]
    if any(np.ptp(each) == 0.0 for each in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def _ranks(values):
    below = (values[:, None] > values[None, :]).sum(axis=1)
    tied = (values[:, None] == values[None, :]).sum(axis=1)
    return below + (tied - 1) / 2


def _orders(real, means):
    orders = {}
    for load in real.loads:
        pairs = [means[load.name, policy] for policy in real.policies]
        orders[load.name] = rank_correlation(*zip(*pairs, strict=True))
    over_all = np.mean([[means[load.name, policy] for policy in real.policies] for load in real.loads], axis=0)
    orders[""] = rank_correlation(over_all[:, 0], over_all[:, 1])
    return orders
