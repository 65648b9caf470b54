"""A Report: verdict, metrics with intervals, episodes, tables, figures, provenance.

Takes values; gives terminal text, strict JSON and one HTML file without network or script. Imports core only.
"""

from rilaas.report.agreement_chart import agreement_chart
from rilaas.report.allocation_chart import ModelTimeline, allocation_chart
from rilaas.report.decision_map_chart import DecisionMap, decision_map_chart
from rilaas.report.difference_chart import difference_chart
from rilaas.report.distance_chart import distance_chart
from rilaas.report.document import HERE, Cell, Episode, Figure, Report, Table
from rilaas.report.exchange import metric_row, read_metric
from rilaas.report.infraction_chart import infraction_chart
from rilaas.report.interval_chart import interval_chart
from rilaas.report.latency_chart import latency_chart
from rilaas.report.learning_curve_chart import learning_curve_chart
from rilaas.report.metric import Metric, Percentiles, summarize
from rilaas.report.number import bytes_text, metric_text, percent_text, value_text
from rilaas.report.pareto_chart import Candidate, pareto_chart
from rilaas.report.provenance import Provenance, provenance
from rilaas.report.score_chart import score_chart
from rilaas.report.score_latency_chart import score_latency_chart
from rilaas.report.sensitivity_chart import sensitivity_chart
from rilaas.report.text import colour_wanted, grid, paint, plain
from rilaas.report.trajectory_chart import trajectory_chart

__all__ = [
    "HERE",
    "Candidate",
    "Cell",
    "DecisionMap",
    "Episode",
    "Figure",
    "Metric",
    "ModelTimeline",
    "Percentiles",
    "Provenance",
    "Report",
    "Table",
    "agreement_chart",
    "allocation_chart",
    "bytes_text",
    "colour_wanted",
    "decision_map_chart",
    "difference_chart",
    "distance_chart",
    "grid",
    "infraction_chart",
    "interval_chart",
    "latency_chart",
    "learning_curve_chart",
    "metric_row",
    "metric_text",
    "paint",
    "pareto_chart",
    "percent_text",
    "plain",
    "provenance",
    "read_metric",
    "score_chart",
    "score_latency_chart",
    "sensitivity_chart",
    "summarize",
    "trajectory_chart",
    "value_text",
]
