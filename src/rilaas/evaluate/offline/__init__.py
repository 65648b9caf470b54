"""A policy on a data set: errors against what was expected, inference times, size.

Takes a policy and data sets of ``rilaas.store``; gives a report. May import infer, report, store, observe and core.
"""

from rilaas.evaluate.offline.dataset_run import Progress, evaluate_dataset
from rilaas.evaluate.offline.source import open_datasets

__all__ = ["Progress", "evaluate_dataset", "open_datasets"]
