"""``rilaas predict --profile``: how long a model takes on this machine, beside what other machines took."""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

import rilaas
from rilaas.cli.config import Settings
from rilaas.cli.hub_target import model_path, open_hub, owned
from rilaas.cli.output import Output
from rilaas.cli.policy import Opened, open_policy
from rilaas.core import InvalidInput, ModelRef, NotFound, Tensors
from rilaas.report import HERE, Cell, Metric, Report, Table, provenance, summarize, value_text
from rilaas.report.provenance import machine
from rilaas.store import LatencyRow, ModelFolder, Shelf, Times

if TYPE_CHECKING:
    from rilaas.wire import HubConnection

DEFAULT_N, MAX_N, WARM_UP = 200, 1_000_000, 20
_PERCENTS = (50, 90, 95, 99, 100)
_EVERY_S = 0.2
_PACKAGES = {
    "torch-compile": ("torch",),
    "torch-tensorrt": ("torch", "torch_tensorrt"),
    "litert": ("ai-edge-litert",),
    "python": (),
}
_COLUMNS = ("where", "what", "p50 [ms]", "p90 [ms]", "p99 [ms]", "worst [ms]", "n", "threads", "load", "when")


class CountType(click.ParamType):  # type: ignore[type-arg]  # generic in stubs alone
    """A number of predictions; a file that was meant as the input is told apart."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """From the command line."""
        text = str(value)
        if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= MAX_N):
            hint = f" Write the file before the flag: {text} --profile." if Path(text).suffix == ".npz" else ""
            self.fail(f"{text!r} is no number of predictions from 1 to {MAX_N:,}.{hint}", param, ctx)
        return int(text[:10])


@dataclass(frozen=True, eq=False)
class _Measured:
    """(N,) times of one model [s], as they came.

    Attributes:
        total_s: From call to answer.
        compute_s: Of the weights alone, as the model's side says.
        servers: Who answered; '' in this process.
    """

    total_s: NDArray[np.float64]
    compute_s: NDArray[np.float64]
    servers: tuple[str, ...]


def profile_model(ref: str, inputs: Tensors | None, n: int, settings: Settings, output: Output) -> None:
    """Measure, print beside other machines' rows, and keep the row where the model is a stored one.

    Args:
        ref: A folder, a reference, or with a target a model of the fleet.
        inputs: What to ask; drawn values that fit the signature where None.
        n: Predictions to measure.
        settings: Of this call; a hub that was named by a flag gets the row too.
        output: Where to.
    """
    with open_policy(ref, settings) as opened:
        measured = _measure(opened, inputs, n, output)
        folder = getattr(opened.policy, "folder", None)
    own = None
    others: list[LatencyRow] = []
    if isinstance(folder, ModelFolder):
        own = _row(folder, measured, settings.threads)
        shelf = Shelf(settings.home)
        others = shelf.latencies(folder.digest)
        if not Path(ref).exists():
            shelf.note_latency(folder.digest, own)
            output.talk(f"kept in the local store beside {ref}")
        if settings.sources.get("hub") == "flag":
            with open_hub(settings) as hub:
                others += _to_hub(hub, folder, own, output)
    report = _report(opened, measured, own, _newest(others, own), settings.deadline)
    output.report(report)
    following = f"rilaas evaluate {ref} --suite lf --latency measured" if own is not None else ""
    output.finish(report, following)


def _measure(opened: Opened, inputs: Tensors | None, n: int, output: Output) -> _Measured:
    """Ask again and again; Ctrl-C ends it, and what was measured counts.

    Raises:
        KeyboardInterrupt: Ctrl-C before the first that counts.
    """
    from rilaas.infer import example_inputs

    policy = opened.policy
    asked = example_inputs(policy.signature, seed=0) if inputs is None else inputs
    if inputs is None:
        output.talk("no INPUT.npz: drawn values that fit the signature are asked")
    policy.reset()
    for _ in range(WARM_UP):
        policy.predict(asked)
    total_s, compute_s, servers = np.empty(n), np.empty(n), []
    begin = shown = time.monotonic()
    done = 0
    try:
        for index in range(n):
            start = time.monotonic()
            timing = policy.predict(asked).timing
            now = time.monotonic()
            total_s[index], compute_s[index] = now - start, timing.compute_s
            servers.append(timing.server)
            done = index + 1
            if now - shown > _EVERY_S:
                shown, rate = now, done / (now - begin)
                output.progress(f"{done} of {n} predictions, {rate:.0f} a second, {(n - done) / rate:.0f} s left")
    except KeyboardInterrupt:
        if not done:
            raise
        output.progress_done()
        output.talk(f"interrupted after {done} of {n} predictions")
    output.progress_done()
    return _Measured(total_s[:done], compute_s[:done], tuple(servers[:done]))


def _row(folder: ModelFolder, measured: _Measured, threads: int) -> LatencyRow:
    from rilaas.infer.target import processor_features

    facts = machine()
    packages = _PACKAGES.get(folder.manifest.backend, (folder.manifest.backend,))
    versions = {"rilaas": rilaas.__version__, **{name: importlib.metadata.version(name) for name in packages}}
    return LatencyRow(
        str(facts["cpu"])[:200] or "unknown",
        int(facts["cores"]),
        processor_features(),
        versions,
        threads,
        len(measured.total_s),
        _times(measured.compute_s),
        _times(measured.total_s),
        os.getloadavg()[0],
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _times(values_s: NDArray[np.float64]) -> Times:
    return Times(*map(float, np.percentile(values_s, _PERCENTS)))


def _to_hub(hub: HubConnection, folder: ModelFolder, row: LatencyRow, output: Output) -> list[LatencyRow]:
    """Send the row to the variant with this content; returns what the hub has of other machines.

    Raises:
        NotFound: The hub has no such content under the model's name.
    """
    ref = owned(ModelRef(folder.manifest.name), hub)
    base = f"{model_path(ref)}/versions/{folder.digest.removeprefix('sha256:')}/latencies"
    try:
        rows = hub.get(base)["rows"]
        hub.post(base, row.as_json())
    except NotFound as error:
        raise NotFound(
            f"The hub has no content {folder.version} of {ref.model}: {error.message}",
            "Push it there first, with --variant NAME where it is a variant; it was measured and shown all the same.",
        ) from None
    output.talk(f"kept at the hub beside {ref.model}")
    return [LatencyRow.of(each["measured"]) for each in rows]


def _newest(rows: Sequence[LatencyRow], own: LatencyRow | None) -> list[LatencyRow]:
    """The newest row of each other machine, by threads; and of this one what was measured before."""
    found: dict[tuple[str, int, int], LatencyRow] = {}
    for row in sorted(rows, key=lambda each: each.stamp_utc):
        if row != own:
            found[row.machine, row.cores, row.threads] = row
    return list(found.values())


def _report(
    opened: Opened,
    measured: _Measured,
    own: LatencyRow | None,
    others: Sequence[LatencyRow],
    deadline_s: float | None,
) -> Report:
    place = "this machine" if opened.place == HERE else opened.place
    total = "round trip" if opened.place != HERE else "policy"
    threads = own.threads if own else None
    load = own.load_average if own else os.getloadavg()[0]
    stamp = own.stamp_utc if own else ""
    rows = [
        _line(place, total, _times(measured.total_s), len(measured.total_s), threads, load, stamp),
        _line(place, "weights alone", _times(measured.compute_s), len(measured.total_s), threads, load, stamp),
    ]
    for row in others:
        name = f"{row.machine}, {row.cores} cores"
        rows.append(_line(name, "policy", row.total, row.n, row.threads, row.load_average, row.stamp_utc))
        rows.append(_line(name, "weights alone", row.compute, row.n, row.threads, row.load_average, row.stamp_utc))
    metrics = _metrics(measured, deadline_s)
    p50, p99 = (float(np.percentile(measured.total_s, each)) for each in (50, 99))
    summary = (
        f"{opened.name} answers {opened.where} in {value_text(p50, 's')} (median; 99 % within "
        f"{value_text(p99, 's')}; {len(measured.total_s)} predictions)."
    )
    note = "Other work on a machine makes times longer: look at its load average."
    tables = [Table("Latency", _COLUMNS, tuple(rows), note)]
    if own is not None:
        facts: list[tuple[str, Cell]] = [
            ("processor", own.machine),
            ("cores", own.cores),
            ("features", ", ".join(own.features)),
        ]
        tables.append(Table("Measured with", ("what", "value"), (*facts, *own.versions.items())))
    return Report("latency profile", "measured", metrics, provenance([0]), summary, tables=tuple(tables))


def _metrics(measured: _Measured, deadline_s: float | None) -> dict[str, Metric]:
    by_server: dict[str, list[float]] = {}
    for server, value in zip(measured.servers, measured.total_s, strict=True):
        if server:
            by_server.setdefault(server, []).append(float(value))
    metrics = {
        "total_s": summarize(measured.total_s, "s", "lower", servers=by_server),
        "compute_s": summarize(measured.compute_s, "s", "lower"),
    }
    if deadline_s is not None:
        metrics["deadline_miss_share"] = summarize((measured.total_s > deadline_s).astype(float), "1", "lower")
    return metrics


def _line(
    place: str, what: str, times: Times, n: int, threads: int | None, load: float, stamp: str
) -> tuple[Cell, ...]:
    values = (times.p50_s, times.p90_s, times.p99_s, times.worst_s)
    return (place, what, *(float(f"{1e3 * value:.4g}") for value in values), n, threads, round(load, 2), stamp)


def check_flags(n: int | None, out: Path | None, settings: Settings) -> None:
    """Refuse flags that belong to the other way of asking.

    Raises:
        InvalidInput: See above.
    """
    if n is not None and out is not None:
        raise InvalidInput("--profile measures and writes no outputs.", "Leave --out or --profile away.")
    if n is None and settings.sources.get("hub") == "flag":
        raise InvalidInput("--hub keeps what --profile measures.", "Add --profile, or leave --hub away.")
