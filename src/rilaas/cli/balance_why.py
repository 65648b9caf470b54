"""``rilaas balance why``: what an interceptor chose a server from, as a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rilaas.report import Cell, Report, Table, provenance, value_text

_BEGAN = {"first": "Sent", "retry": "Tried again", "hedge": "Hedged", "copy": "Copied"}


def why_report(decision: Mapping[str, Any]) -> Report:
    """One decision of an interceptor.

    Args:
        decision: As ``rilaas.route.decision.fetch_decision`` gives it.
    """
    attempts: list[Mapping[str, Any]] = decision["attempts"]
    outcome = {"ok": "answered", "": "not answered yet"}.get(decision["outcome"], decision["outcome"])
    by = f" by {decision['server']}" if decision["server"] else ""
    took = f" after {_seconds(decision['latency_s'])}" if decision["outcome"] else ""
    tries = f", {len(attempts)} attempts" if len(attempts) > 1 else ""
    return Report(
        kind="decision",
        verdict="measured",
        summary=f"Request {decision['request_id']} of {decision['robot']} to {decision['model']}, placed by "
        f"{decision['balancer']}: {outcome}{by}{took}{tries}.",
        metrics={},
        provenance=provenance(),
        tables=tuple(_table(each) for each in attempts),
    )


def _table(attempt: Mapping[str, Any]) -> Table:
    """The servers that could be chosen in one attempt, with what the policy knew of each."""
    began = _BEGAN.get(attempt["why"], attempt["why"])
    status = f"{attempt['status']} after {_seconds(attempt['latency_s'])}" if attempt["status"] else "no answer yet"
    title = f"{began} to {attempt['server']} at {_seconds(attempt['at_s'])}: {status}"
    figures: Mapping[str, list[float | None]] = attempt["figures"]
    rows: list[tuple[Cell, ...]] = []
    for i, server in enumerate(attempt["servers"]):
        chosen = "chosen" if server == attempt["server"] else ""
        rows.append((server, *(_cell(name, column[i]) for name, column in figures.items()), chosen))
    rule = "The policy failed, so least connections chose. " if attempt["is_fallback"] else ""
    columns = ("server", *(_head(name) for name in figures), "")
    return Table(title, columns, tuple(rows), rule + str(attempt["rule"]))


def _head(name: str) -> str:
    return f"{name.removesuffix('_s').replace('_', ' ')} [ms]" if name.endswith("_s") else name.replace("_", " ")


def _cell(name: str, value: float | None) -> Cell:
    if value is None:
        return None
    return float(f"{1e3 * value:.4g}") if name.endswith("_s") else float(f"{value:.4g}")


def _seconds(value: float | None) -> str:
    return value_text(value, "s") if value is not None else "an unknown time"
