"""docs/metrics.md says of every metric and constant what the code says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from rilaas.evaluate.driving import METRICS
from rilaas.evaluate.driving.objective.constants import Constants

PAGE = Path(__file__).resolve().parents[3] / "docs" / "metrics.md"
ROWS = [
    tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in re.findall(r"^\| `.*$", PAGE.read_text(), re.M)
]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_is_on_the_page_with_its_unit_and_direction(name):
    found = [(unit, better) for first, unit, better, *_ in ROWS if first == f"`{name}`"]
    assert found, f"docs/metrics.md has no row for {name}"
    assert set(found) == {(METRICS[name].unit or "-", METRICS[name].direction or "neither")}


@pytest.mark.parametrize("constant", fields(Constants), ids=lambda each: each.name)
def test_every_constant_is_on_the_page_with_its_value_unit_and_reason(constant):
    row = next(row for row in ROWS if row[0] == f"`{constant.name}`")
    assert float(row[1]) == pytest.approx(constant.default, rel=1e-5)
    assert row[2:] == (constant.metadata["unit"], constant.metadata["reason"])


def test_the_page_names_nothing_that_is_not_there():
    known = {*METRICS, *(each.name for each in fields(Constants))}
    assert {row[0].strip("`") for row in ROWS} <= known
