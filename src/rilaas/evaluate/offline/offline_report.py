"""A run over data sets as a report: errors, inference time, size, and the samples with the largest errors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from rilaas.evaluate.offline.outcome import Outcome, OutputErrors, Worst
from rilaas.report import (
    HERE,
    Cell,
    Figure,
    Metric,
    Percentiles,
    Report,
    Table,
    latency_chart,
    metric_text,
    provenance,
    summarize,
    value_text,
)
from rilaas.report.overlay import draw
from rilaas.store.dataset import Dataset

_MIB = 2**20
_NAMED = 8  # data sets that are told by name
_STEPS = ("preprocessing", "backend", "postprocessing")


def build_report(
    outcome: Outcome,
    datasets: Sequence[Dataset],
    *,
    name: str = "",
    size_bytes: int | None = None,
    batch: int = 1,
    deadline_s: float | None = None,
    command: Sequence[str] | None = None,
) -> Report:
    """A report from what was run; see ``evaluate_dataset``.

    Metrics, of which each mean has its interval and n:

    ``mse``, ``mae``
        Mean squared and mean absolute error: of each sample the mean over all its numbers of all outputs, and of
        these the mean over samples. ``mse_NAME`` and ``mae_NAME`` for each output where there are several.
    ``inference_time_s``
        From call to answer, with percentiles by server. Of a batch, the whole call.
    ``inference_frequency_hz``
        Samples over the sum of these times.
    ``size_bytes``
        Of the weights.
    """
    errors = {output: each for output, each in outcome.errors.items() if each.absolute}
    metrics = _error_metrics(errors) | _time_metrics(outcome)
    if size_bytes is not None:
        metrics["size_bytes"] = summarize([size_bytes], "bytes", "lower")
    return Report(
        kind="offline evaluation",
        verdict="measured",
        summary=_summary(outcome, metrics, errors),
        metrics=metrics,
        tables=tuple(_tables(outcome, datasets, metrics, errors, name, size_bytes, batch)),
        figures=tuple(_figures(outcome, deadline_s)),
        provenance=provenance((), command=command),
    )


def _error_metrics(errors: dict[str, OutputErrors]) -> dict[str, Metric]:
    metrics = {}
    for short, field in (("mse", "squared"), ("mae", "absolute")):
        parts = {output: getattr(each, field) for output, each in errors.items()}
        if len({len(part) for part in parts.values()}) == 1:  # every sample has every output
            sizes = [each.numbers / len(each.absolute) for each in errors.values()]
            metrics[short] = summarize(np.average(list(parts.values()), axis=0, weights=sizes), "", "lower")
        if len(parts) > 1:
            metrics |= {f"{short}_{output}": summarize(part, "", "lower") for output, part in parts.items()}
    return metrics


def _time_metrics(outcome: Outcome) -> dict[str, Metric]:
    if not outcome.call_s:
        return {}
    each_s = summarize(np.array(outcome.call_s) / np.array(outcome.batches), "s")
    rate = sum(outcome.batches) / sum(outcome.call_s)
    low, high = min(rate, 1.0 / each_s.high), max(rate, 1.0 / each_s.low)  # the interval of the time, turned over
    return {
        "inference_time_s": summarize(outcome.call_s, "s", "lower", servers=_by_server(outcome)),
        "inference_frequency_hz": Metric("Hz", rate, low, high, each_s.n, "higher"),
    }


def _by_server(outcome: Outcome) -> dict[str, list[float]]:
    by_server: dict[str, list[float]] = {}
    for server, spent_s in zip(outcome.servers, outcome.call_s, strict=True):
        by_server.setdefault(server or HERE, []).append(spent_s)
    return dict(sorted(by_server.items()))


def _summary(outcome: Outcome, metrics: dict[str, Metric], errors: dict[str, OutputErrors]) -> str:
    sentences = [f"{outcome.answered} of {outcome.total} samples answered"]
    if outcome.done < outcome.total:
        sentences = [f"Interrupted after {outcome.done} of {outcome.total} samples: {outcome.answered} answered"]
    if outcome.not_finite:
        sentences.append(f"{outcome.not_finite} have outputs that are not finite, and are in no error")
    if "mse" in metrics:
        sentences.append(f"MSE {metric_text(metrics['mse'])}")
        sentences.append(f"MAE {metric_text(metrics['mae'])}")
    elif not errors:
        sentences.append("Nothing was compared: no expected output has the name and shape of one that was given")
    if outcome.call_s:
        part = Percentiles.of(outcome.call_s)
        times = ", ".join(f"p{q} {value_text(getattr(part, f'p{q}'), 's')}" for q in (50, 95, 99))
        sentences.append(f"Inference: {times}, n={part.n}")
    return ". ".join(sentences) + "."


def _tables(
    outcome: Outcome,
    datasets: Sequence[Dataset],
    metrics: dict[str, Metric],
    errors: dict[str, OutputErrors],
    name: str,
    size_bytes: int | None,
    batch: int,
) -> Iterator[Table]:
    mean_s = metrics["inference_time_s"].mean if outcome.call_s else None
    mse = metrics["mse"].mean if "mse" in metrics else None
    size_mib = None if size_bytes is None else size_bytes / _MIB
    yield Table(
        "Offline metrics",
        ("method", "model size [MiB]", "MSE", "inference time [s]"),
        ((name or "policy", size_mib, mse, mean_s),),
        "The columns of the DeepLearningStudio's model_evaluation.csv: means; its MB are 2^20 bytes.",
    )
    if errors:
        rows: list[tuple[Cell, ...]] = []
        for output, each in errors.items():
            squared, absolute = summarize(each.squared, ""), summarize(each.absolute, "")
            rows.append((output, metric_text(squared), metric_text(absolute), each.largest, each.not_finite))
        columns = ("output", "MSE", "MAE", "largest error", "not finite")
        yield Table("Errors by output", columns, tuple(rows), "In each output's own unit; n are samples.")
    elements = {output: each for output, each in errors.items() if each.elements is not None}
    if elements:
        yield Table("Errors by number", ("output", "index", "MSE", "MAE", "mean error"), tuple(_elements(elements)))
    if outcome.call_s:
        yield _steps(outcome, batch)
    if outcome.failures:
        failed = tuple((code, n, outcome.reasons[code]) for code, n in outcome.failures.most_common())
        yield Table("Samples without an answer", ("error", "samples", "the first message"), failed)
    facts: list[tuple[Cell, ...]] = [("samples", f"{outcome.done} of {outcome.total}"), ("samples of a call", batch)]
    facts += [
        (each.path.name, f"{len(each)} samples from {each.info.source}, {each.info.digest}")
        for each in datasets[:_NAMED]
    ]
    if len(datasets) > _NAMED:
        facts.append(("and", f"{len(datasets) - _NAMED} more"))
    facts += [("note", note) for note in outcome.notes]
    yield Table("Data set", ("", "value"), tuple(facts))


def _elements(errors: dict[str, OutputErrors]) -> Iterator[tuple[Cell, ...]]:
    for output, each in errors.items():
        assert each.elements is not None
        for index, (signed, absolute, squared) in enumerate((each.elements / len(each.absolute)).T.tolist()):
            yield output, index, squared, absolute, signed


def _steps(outcome: Outcome, batch: int) -> Table:
    columns = ("step", "mean [ms]", "p50 [ms]", "p95 [ms]", "p99 [ms]")
    steps = np.array(outcome.step_s)
    parts = {"from call to answer": np.array(outcome.call_s)}
    parts |= {step: steps[:, k] for k, step in enumerate(_STEPS) if steps[:, k].any()}
    rows: list[tuple[Cell, ...]] = []
    for step, spent_s in parts.items():
        part = Percentiles.of(spent_s)
        rows.append((step, *(1e3 * value for value in (float(spent_s.mean()), part.p50, part.p95, part.p99))))
    return Table(
        "Inference time", columns, tuple(rows), f"Of {len(outcome.call_s)} calls of {batch} after the warm-up."
    )


def _figures(outcome: Outcome, deadline_s: float | None) -> Iterator[Figure]:
    if outcome.call_s:
        yield latency_chart(_by_server(outcome), deadline_s=deadline_s, title="Inference time")
    for worst in sorted(outcome.worst, reverse=True):
        if worst.squared > 0.0:
            yield _sample_figure(worst)


def _sample_figure(worst: Worst) -> Figure:
    title = f"Sample {worst.index}, with one of the largest errors"
    return Figure(
        title,
        draw(worst.sample.inputs, worst.outputs, worst.sample.expected),
        "image/svg+xml",
        f"Sample {worst.index}: what was asked, answered and expected. Mean squared error {worst.squared:.4g}.",
        f"Mean squared error {worst.squared:.4g}.",
    )
