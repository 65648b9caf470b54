"""The JSON that programs rely on."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rilaas.core import InvalidInput
from rilaas.report import Episode, Figure, Metric, Percentiles, Provenance, Report, Table


def test_the_names_are_those_that_programs_rely_on(report):
    document = json.loads(report.to_json())
    assert {"kind", "verdict", "metrics", "episodes", "tables", "provenance"} <= document.keys()
    assert {"unit", "mean", "low", "high", "n"} <= document["metrics"]["driven_lane_m"].keys()
    assert {"scenario", "seed", "status", "metrics"} <= document["episodes"][0].keys()
    assert {"version", "commit", "seeds", "machine", "command"} <= document["provenance"].keys()
    edge = document["metrics"]["round_trip_s"]["servers"]["edge"]
    assert edge == {"p50": 0.006, "p95": pytest.approx(0.0069), "p99": pytest.approx(0.00698), "n": 3}


words = st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False)
percentiles = st.builds(Percentiles, numbers, numbers, numbers, st.integers(0, 9))
metrics = st.builds(
    Metric,
    words,
    numbers,
    numbers,
    numbers,
    st.integers(0, 9),
    st.sampled_from(["higher", "lower", ""]),
    st.dictionaries(words, percentiles, max_size=2),
    numbers,
    numbers,
    numbers,
    words,
)
episodes = st.builds(
    Episode,
    words,
    st.integers(),
    words,
    st.dictionaries(words, numbers, max_size=2),
    st.booleans(),
    st.dictionaries(words, words, max_size=2),
    words,
)
cells = st.one_of(words, st.integers(-(2**53), 2**53), numbers, st.none(), st.booleans())
tables = st.lists(words, max_size=3).flatmap(
    lambda heads: st.builds(
        Table,
        words,
        st.just(tuple(heads)),
        st.lists(st.tuples(*[cells] * len(heads)), max_size=3).map(tuple),
        words,
        st.booleans(),
    )
)
reports = st.builds(
    Report,
    kind=words,
    verdict=st.sampled_from(["passed", "failed", "measured"]),
    summary=words,
    metrics=st.dictionaries(words, metrics, max_size=2),
    episodes=st.lists(episodes, max_size=2).map(tuple),
    samples=st.dictionaries(words, st.lists(numbers, max_size=3).map(tuple), max_size=2),
    tables=st.lists(tables, max_size=2).map(tuple),
    figures=st.lists(
        st.builds(Figure, words, st.binary(max_size=9), st.just("image/png"), words, words, st.none() | tables),
        max_size=1,
    ).map(tuple),
    provenance=st.builds(
        Provenance,
        words,
        words,
        st.lists(st.integers(), max_size=3).map(tuple),
        st.dictionaries(words, words | st.integers(), max_size=2),
        words,
        words,
    ),
)


@given(reports)
def test_any_report_survives_json(report):
    assert Report.from_json(report.to_json()) == report


@given(reports)
def test_any_report_becomes_text_and_html(report):
    assert report.verdict in report.to_text(colour=True, width=40)
    assert report.to_html().startswith("<!doctype html>")


def test_a_number_that_does_not_exist_is_null_and_comes_back_as_nan(report):
    document = json.loads(report.to_json())
    document["metrics"]["driven_lane_m"]["mean"] = None
    read = Report.from_json(json.dumps(document))
    assert math.isnan(read.metrics["driven_lane_m"].mean)
    assert json.loads(read.to_json()) == document


def test_a_report_from_before_medians_groups_and_reasons_were_kept_is_still_read(report):
    document = json.loads(report.to_json())
    for metric in document["metrics"].values():
        for name in ("median", "minimum", "maximum", "group"):
            del metric[name]
    read = Report.from_json(json.dumps(document))
    assert math.isnan(read.metrics["driven_lane_m"].median)
    assert read.metrics["driven_lane_m"].group == ""
    assert read.episodes[0].absent == {}
    assert read.samples == {}
    assert "12.5 m" in read.to_text()
    assert "12.5 m" in read.to_html()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": 3}',
        '{"kind": "x", "verdict": "passed", "metrics": 3}',
        "null",
        '"kind"',
        "[" * 100_000,
        '{"kind": "x", "\\ud800": 1}',  # half a character: nothing could write it again
        json.dumps({"kind": "x", "verdict": "passed", "metrics": {"m": {"unit": "m", "mean": 10**400}}}),
    ],
    ids=lambda text: text[:20],
)
def test_what_is_no_report_is_refused_with_a_hint(text):
    with pytest.raises(InvalidInput, match="not a report") as caught:
        Report.from_json(text)
    assert "--json" in caught.value.hint


@given(st.data())
def test_a_report_with_anything_put_in_somewhere_is_read_or_refused(data):
    base = Report("k", "passed", {"m": Metric("m", 1, 1, 1, 1)}, Provenance("1", "", (1,), {}, "c"))
    document = json.loads(base.to_json())
    junk = st.recursive(st.none() | st.booleans() | numbers | words, lambda c: st.lists(c, max_size=2), max_leaves=3)
    document[data.draw(st.sampled_from(sorted(document)))] = data.draw(junk)
    with contextlib.suppress(InvalidInput):
        Report.from_json(json.dumps(document))


def test_a_verdict_a_table_and_a_figure_are_checked_when_they_are_made():
    with pytest.raises(ValueError, match="passed"):
        Report("k", "great", {}, Provenance("1", "", (), {}, ""))
    with pytest.raises(ValueError, match="2 columns"):
        Table("t", ("a", "b"), ((1,),))
    with pytest.raises(ValueError, match="svg"):
        Figure("f", b"", "text/html", "")
