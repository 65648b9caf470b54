"""Policies compared: the same loads, the same random numbers, intervals over seeds.

Takes a cluster, loads, policies and seeds; gives a ``Comparison``, tables and a report.
Imports balance, report and core only.
"""

from rilaas.balance.comparison.capacity import offered_load
from rilaas.balance.comparison.compare import (
    MOST_WORKERS,
    REFERENCE,
    Conditions,
    Job,
    Progress,
    check_reference,
    compare,
)
from rilaas.balance.comparison.contender import Contender, FromSpec, contenders_of, without_file
from rilaas.balance.comparison.digest import BINS, Digest, digest
from rilaas.balance.comparison.recovery import recovery_s
from rilaas.balance.comparison.report import build_report, focus_of, load_figure
from rilaas.balance.comparison.result import SAME_WITHIN, Comparison, differs

__all__ = [
    "BINS",
    "MOST_WORKERS",
    "REFERENCE",
    "SAME_WITHIN",
    "Comparison",
    "Conditions",
    "Contender",
    "Digest",
    "FromSpec",
    "Job",
    "Progress",
    "build_report",
    "check_reference",
    "compare",
    "contenders_of",
    "differs",
    "digest",
    "focus_of",
    "load_figure",
    "offered_load",
    "recovery_s",
    "without_file",
]
