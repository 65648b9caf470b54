"""A training as a report: the curve, the policy as a map of decisions, and how it does on the test loads."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rilaas.balance.comparison import Comparison
from rilaas.balance.comparison.table import load_table, standings_table
from rilaas.balance.protocol import Balancer
from rilaas.balance.simulation.suite import LoadSuite
from rilaas.learn.balancing.decision_log import MOST, map_decisions
from rilaas.learn.balancing.trainer import TEST_SEED, Trained
from rilaas.report import (
    Cell,
    Figure,
    Metric,
    Report,
    Table,
    decision_map_chart,
    difference_chart,
    learning_curve_chart,
    percent_text,
    provenance,
)

_SHOWN = ("servers", "models", "features", "bin_edges", "discount", "suite", "suite_sha256", "loads", "seed", "steps")


def validation_of(comparison: Comparison, policy: str) -> dict[str, Any]:
    """The measured table that goes into a policy's card: by load, mean latency and difference from the reference.

    Args:
        comparison: On the test loads.
        policy: Its name there.
    """
    rows: dict[str, Any] = {}
    for load in (*(each.name for each in comparison.loads), None):
        mean, difference = comparison.mean(load, policy), comparison.difference(load, policy)
        if mean.n:
            ends = {"low": difference.low, "high": difference.high}
            rows[load or "all"] = {"mean_s": mean.mean, "difference_share": difference.mean, **ends}
    return {"reference": comparison.reference, "seeds": list(comparison.seeds), "loads": rows}


def build_report(
    trained: Trained,
    suite: LoadSuite,
    comparison: Comparison | None,
    *,
    make: Callable[[], Balancer] | None = None,
    facts: Mapping[str, Cell] | None = None,
    command: Sequence[str] | None = None,
) -> Report:
    """A report of a training.

    Args:
        trained: What came of it.
        suite: Where.
        comparison: With the reference on the test loads; None where it was not tested.
        make: A fresh trained policy, for its map of decisions; None draws no figure at all.
        facts: Further lines of the table of what was trained, such as the file.
        command: The command line; ``sys.argv`` where None.
    """
    tables = [_facts(trained, facts or {}), _curve_table(trained)]
    metrics: dict[str, Metric] = {}
    if comparison is not None:
        tables = [standings_table(comparison), load_table(comparison, trained.kind), *tables]
        metrics = {
            "latency_s": comparison.mean(None, trained.kind),
            f"{comparison.reference}_latency_s": comparison.mean(None, comparison.reference),
            "difference_share": comparison.difference(None, trained.kind),
        }
    figures = [] if make is None else [*_figures(trained, suite, make), *_by_load(trained, comparison)]
    return Report(
        kind="balancer training",
        verdict="measured",
        summary=_summary(trained, suite, comparison),
        metrics={name: metric for name, metric in metrics.items() if metric.n},
        tables=tuple(tables),
        figures=tuple(figures),
        provenance=provenance((trained.seed,), command=command),
    )


def _summary(trained: Trained, suite: LoadSuite, comparison: Comparison | None) -> str:
    stopped = "" if trained.is_whole else ", interrupted: the best until then"
    words = f"{trained.kind} trained on {_loads(len(suite.train), 'load')} of {suite.name}{stopped}."
    difference = comparison.difference(None, trained.kind) if comparison is not None else None
    if comparison is None or difference is None or not difference.n:
        return f"{words} Not tested."
    seeds = len(comparison.seeds)
    return (
        f"{words} On {_loads(len(comparison.loads), 'test load')} with {seeds} seed{'s' if seeds > 1 else ''}: "
        f"{percent_text(difference)} mean latency against {comparison.reference}."
    )


def _loads(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _figures(trained: Trained, suite: LoadSuite, make: Callable[[], Balancer]) -> list[Figure]:
    figures = []
    if trained.curve:
        means = [point.mean_s for point in trained.curve]
        caption = "Mean latency over the training loads with held-out seeds; the policy neither explores nor learns."
        figures.append(
            learning_curve_chart(
                [point.steps for point in trained.curve],
                means,
                unit="ms",
                factor=1e3,
                kept=means.index(min(means)),
                reference=trained.reference_s,
                reference_name="least conn.",
                caption=caption,
            )
        )
    servers, maps = map_decisions(suite.cluster, suite.test, make, (TEST_SEED,))
    caption = (
        "Decisions on all test loads with one seed. A square is a state of requests in flight, of all models; the "
        f"larger, the more often it was met (logarithmic). {MOST} and more count as {MOST}."
    )
    return [*figures, decision_map_chart(maps, servers, caption=caption)]


def _by_load(trained: Trained, comparison: Comparison | None) -> list[Figure]:
    if comparison is None:
        return []
    differences = {load.name: comparison.difference(load.name, trained.kind) for load in comparison.loads}
    caption = (
        f"Mean over the models, in percent of {comparison.reference}; left is faster. 95 % intervals over seeds."
    )
    return [
        difference_chart(differences, reference=comparison.reference, title="Mean latency by load", caption=caption)
    ]


def _facts(trained: Trained, facts: Mapping[str, Cell]) -> Table:
    rows: list[tuple[Cell, ...]] = [("policy", trained.kind), *facts.items()]
    for name in _SHOWN:
        if name in trained.card:
            value = trained.card[name]
            rows.append((name.replace("_", " "), ", ".join(map(str, value)) if isinstance(value, list) else value))
    rows += [("numbers learned", sum(array.size for array in trained.arrays.values()))]
    return Table("What was trained", ("", "value"), tuple(rows))


def _curve_table(trained: Trained) -> Table:
    rows = tuple(
        (point.steps, round(1e3 * point.mean_s, 1), percent_of(point.mean_s, trained.reference_s))
        for point in trained.curve
    )
    columns = ("steps", "mean [ms]", "against least connections")
    return Table("Learning curve", columns, rows, "On the training loads with held-out seeds.", is_detail=True)


def percent_of(mean_s: float, reference_s: float) -> str:
    """``-11.2 %``: how far a mean is from a reference; ``-`` where there is none."""
    return f"{100.0 * (mean_s / reference_s - 1.0):+.1f} %" if math.isfinite(reference_s) else "-"
