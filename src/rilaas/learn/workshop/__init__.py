"""One optimization from samples to judged variants, for the command line and for the hub's worker.

Puts optimize, evaluate and learn together: record, make, measure, drive, judge. Takes a model folder and recipes;
gives rows of a report. May import learn, optimize, evaluate, infer, report, store and core.
"""

from rilaas.learn.workshop.drive import Drive, drive
from rilaas.learn.workshop.recorded import DRIVING, recorded_samples
from rilaas.learn.workshop.workshop import EAGER, FLOAT, Workshop

__all__ = ["DRIVING", "EAGER", "FLOAT", "Drive", "Workshop", "drive", "recorded_samples"]
