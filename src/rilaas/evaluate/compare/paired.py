"""Two reports compared episode by episode: what differs is the policy, for scenario and seed are the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.report import Episode, Metric, Report, summarize

SCORE = "driving_score"
"""The metric by which policies are compared where nothing else is asked for."""

BETTER, WORSE, NO_DIFFERENCE, DIFFERENT = "better", "worse", "no measurable difference", "different"
"""Verdicts on the first of two; ``different`` only where a metric has no better and no worse."""

LEAST_PAIRS = 6
"""With fewer pairs nothing is said: five differences of one sign come by chance in 2 * 0.5^5 = 6 % of cases."""

ALPHA = 0.05
_CONDITIONS = ("latency", "deadline")
_OURS = "tile-world"  # what a report that does not say so was driven in
_EXACT_PAIRS = 12  # 4096 patterns of signs are all tried
_FLIPS = 10_000
_MANY = 1000  # pairs from which the sum of randomly signed differences is as good as normal

Key = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Unpaired:
    """An episode that does not count, because one of two policies has no value for it.

    Attributes:
        scenario: Its name.
        seed: Its seed.
        reason: What is missing where.
    """

    scenario: str
    seed: int
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of two policies on the same episodes.

    Attributes:
        metric: Its name.
        a: The first policy's mean over the pairs.
        b: The second one's.
        difference: Of each pair, first minus second: mean and 95 % bootstrap interval.
        p_value: How often differences with random signs have a sum at least as far from 0; 1 where there is none.
        unpaired: Episodes that are left out.
        conditions: What else differs than the policy, such as ``latency (measured against none)``.
    """

    metric: str
    a: Metric
    b: Metric
    difference: Metric
    p_value: float
    unpaired: tuple[Unpaired, ...] = ()
    conditions: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of pairs."""
        return self.difference.n

    @property
    def verdict(self) -> str:
        """``better`` or ``worse`` (the first than the second), or ``no measurable difference``.

        A difference is measurable where there are at least ``LEAST_PAIRS`` pairs, the interval of the mean difference
        leaves out 0, and random signs reach such a sum in at most 5 % of cases. The bootstrap alone is too sure of
        itself with few pairs; the signs are exact with any number, where two equal policies are the hypothesis.
        """
        if self.n < LEAST_PAIRS or self.p_value > ALPHA or self.difference.low <= 0.0 <= self.difference.high:
            return NO_DIFFERENCE
        if not self.difference.direction:
            return DIFFERENT
        return BETTER if (self.difference.mean > 0.0) == (self.difference.direction == "higher") else WORSE


def compare(a: Report, b: Report, metric: str = SCORE) -> Comparison:
    """Compare two reports of one suite by a metric, episode by episode.

    Args:
        a: The report that is judged.
        b: What it is judged against.
        metric: Its name.

    Raises:
        InvalidInput: The reports are not of the same suite; the message says what differs.
        NotFound: Neither report has the metric.
    """
    check_same_suite(a, b)
    if metric not in a.metrics and metric not in b.metrics:
        names = sorted(set(a.metrics) | set(b.metrics))
        raise NotFound(f"Neither report has a metric {metric!r}. {did_you_mean(metric, names)}")
    return _compared(a, b, metric)


def compare_every(a: Report, b: Report) -> dict[str, Comparison]:
    """Every metric that episodes of both reports have, in the first one's order.

    Each verdict stands for itself: of twenty metrics that do not differ, one will look as if it did.

    Raises:
        InvalidInput: The reports are not of the same suite; the message says what differs.
    """
    check_same_suite(a, b)
    both = _names(a.episodes) & _names(b.episodes)
    return {name: _compared(a, b, name) for name in a.metrics if name in both}


def headline_metric(*reports: Report) -> str:
    """The metric by which these reports are compared: ``SCORE`` where all have it, else their first in common.

    Raises:
        InvalidInput: They have none in common.
    """
    shared = set.intersection(*(_names(report.episodes) & set(report.metrics) for report in reports))
    if SCORE in shared:
        return SCORE
    for name, metric in reports[0].metrics.items():
        if name in shared and metric.direction:
            return name
    raise InvalidInput("The reports have no metric in common.", "Drive the same suite with both policies.")


def check_same_suite(a: Report, b: Report) -> None:
    """Refuse reports whose episodes are not the same: another suite, or another simulator.

    Raises:
        InvalidInput: Naming what differs.
    """
    one, two = ({name: str(value) for name, value in each.facts("Suite").items()} for each in (a, b))
    for facts, which in ((one, "first"), (two, "second")):
        if "digest" not in facts:
            raise InvalidInput(
                f"The {which} report does not say which suite was driven.", "Compare what `rilaas evaluate` wrote."
            )
    worlds = [facts.get("simulator", _OURS) for facts in (one, two)]
    if worlds[0] != worlds[1]:
        raise InvalidInput(
            f"The first report was driven in {worlds[0]} and the second in {worlds[1]}: their difference would be "
            "that of two worlds.",
            "Drive both in the same simulator.",
        )
    if one["digest"] == two["digest"]:
        return
    names = [f"{facts.get('suite', 'no name')!r} ({facts['digest'][:15]}...)" for facts in (one, two)]
    only = [Counter(map(_place, x.episodes)) - Counter(map(_place, y.episodes)) for x, y in ((a, b), (b, a))]
    told = [
        f"only {name} has {_some(extra)}"
        for name, extra in zip(("the first", "the second"), only, strict=True)
        if extra
    ]
    what = "; ".join(told) or "scenarios and seeds have the same names, but worlds, thresholds or constants differ"
    raise InvalidInput(
        f"The reports are of different suites, {names[0]} and {names[1]}: {what}.",
        "Drive both with the same suite and number of episodes.",
    )


def paired_values(a: Report, b: Report, metric: str) -> tuple[np.ndarray, np.ndarray, tuple[Unpaired, ...]]:
    """The values of both on the episodes where both have one, and the episodes where one has none."""
    first, second = _by_key(a.episodes), _by_key(b.episodes)
    left, right, unpaired = [], [], []
    for key in dict.fromkeys([*first, *second]):
        reason = _lack(first.get(key), metric, "the first") or _lack(second.get(key), metric, "the second")
        if reason:
            unpaired.append(Unpaired(key[0], key[1], reason))
        else:
            left.append(first[key].metrics[metric])
            right.append(second[key].metrics[metric])
    return np.array(left, np.float64), np.array(right, np.float64), tuple(unpaired)


def sign_flip_p_value(differences: np.ndarray, seed: int = 0) -> float:
    """How often paired differences with random signs have a sum at least as far from 0 as theirs.

    Args:
        differences: (N,) of pairs.
        seed: Of the signs, where not all patterns are tried.

    Source: Fisher, The Design of Experiments, 1935, section 21: where two policies are the same, each difference is
    as likely with the other sign. Exact up to 12 pairs; drawn signs, the observed ones among them, above that; the
    normal distribution above 1000.
    """
    data = np.asarray(differences, np.float64)
    scale = float(np.abs(data).sum())
    if scale == 0.0:
        return 1.0
    least = abs(float(data.sum())) - 1e-9 * scale  # sums of the same values in another order round differently
    if data.size > _MANY:
        return math.erfc(least / math.sqrt(2.0 * float(data @ data)))
    if data.size <= _EXACT_PAIRS:
        bits = (np.arange(2**data.size)[:, None] >> np.arange(data.size)) & 1
        return float(np.mean(np.abs((2.0 * bits - 1.0) @ data) >= least))
    signs = np.random.default_rng(seed).integers(0, 2, (_FLIPS, data.size), np.int8)
    return float((1 + np.count_nonzero(np.abs((2.0 * signs - 1.0) @ data) >= least)) / (1 + _FLIPS))


def _compared(a: Report, b: Report, metric: str) -> Comparison:
    left, right, unpaired = paired_values(a, b, metric)
    kind = a.metrics.get(metric) or b.metrics[metric]
    one, two = (summarize(values, kind.unit, kind.direction) for values in (left, right))
    difference = summarize(left - right, kind.unit, kind.direction)
    p_value = sign_flip_p_value(left - right)
    return Comparison(metric, one, two, difference, p_value, unpaired, _other_conditions(a, b))


def _other_conditions(a: Report, b: Report) -> tuple[str, ...]:
    """What the verdict is on beside the policies: a policy here against one far away differs in its latency too."""
    one, two = a.facts("Suite"), b.facts("Suite")
    pairs = {name: (str(one.get(name, "none")), str(two.get(name, "none"))) for name in _CONDITIONS}
    pairs["rilaas"] = a.provenance.version, b.provenance.version  # which may have other rules
    return tuple(f"{name} ({x} against {y})" for name, (x, y) in pairs.items() if x != y)


def _lack(episode: Episode | None, metric: str, whose: str) -> str:
    if episode is None:
        return f"{whose} did not drive it"
    value = episode.metrics.get(metric)
    if value is not None and math.isfinite(value):
        return ""
    if metric in episode.absent:
        return f"{whose} has none: {episode.absent[metric]}"
    return f"{whose} has none: {episode.status.replace('_', ' ')}"


def _by_key(episodes: Iterable[Episode]) -> dict[Key, Episode]:
    """Episodes by scenario, seed, and how many of both there were before: a name may stand for two worlds."""
    seen: Counter[tuple[str, int]] = Counter()
    found: dict[Key, Episode] = {}
    for episode in episodes:
        place = _place(episode)
        found[(*place, seen[place])] = episode
        seen[place] += 1
    return found


def _place(episode: Episode) -> tuple[str, int]:
    return episode.scenario, episode.seed


def _names(episodes: Iterable[Episode]) -> set[str]:
    return {name for episode in episodes for name in episode.metrics}


def _some(places: Counter[tuple[str, int]]) -> str:
    told = [f"{scenario} with seed {seed}" for scenario, seed in list(places)[:3]]
    more = f" and {len(places) - 3} more" if len(places) > 3 else ""
    return ", ".join(told) + more
