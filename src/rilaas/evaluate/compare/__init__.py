"""Two policies or more on the same episodes: paired differences, when to stop, and who comes first.

Takes reports whose episodes have the same scenarios and seeds; gives verdicts, intervals and tables.
May import report and core.
"""

from rilaas.evaluate.compare.paired import (
    BETTER,
    DIFFERENT,
    LEAST_PAIRS,
    NO_DIFFERENCE,
    SCORE,
    WORSE,
    Comparison,
    Unpaired,
    check_same_suite,
    compare,
    compare_every,
    headline_metric,
)
from rilaas.evaluate.compare.ranking import RULES, Criterion, Rule, Standing, rank
from rilaas.evaluate.compare.sequential import ConfidenceSequence, bounds_of
from rilaas.evaluate.compare.table import against_table, ranking_tables, unpaired_table, verdict_text

__all__ = [
    "BETTER",
    "DIFFERENT",
    "LEAST_PAIRS",
    "NO_DIFFERENCE",
    "RULES",
    "SCORE",
    "WORSE",
    "Comparison",
    "ConfidenceSequence",
    "Criterion",
    "Rule",
    "Standing",
    "Unpaired",
    "against_table",
    "bounds_of",
    "check_same_suite",
    "compare",
    "compare_every",
    "headline_metric",
    "rank",
    "ranking_tables",
    "unpaired_table",
    "verdict_text",
]
