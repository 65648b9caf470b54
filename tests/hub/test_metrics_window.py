"""The hub's own window, fed by hand: restarts, gaps, processes that come and go, bounds."""

import numpy as np
import pytest

from rilaas.hub.metrics.exposition import read_exposition
from rilaas.hub.metrics.percentile import percentile, share_above
from rilaas.hub.metrics.series import Series, growths
from rilaas.hub.metrics.source import Span
from rilaas.hub.metrics.target import Target
from rilaas.hub.metrics.window import Window
from rilaas.observe import Histogram

EDGE = Target("server", "edge-1", "127.0.0.1:1")
CLOUD = Target("server", "cloud-1", "127.0.0.1:2")
FAMILY = "rilaas_x_total"


def page(count, robot="r"):
    return f'# TYPE {FAMILY} counter\n{FAMILY}{{robot="{robot}"}} {count}\n'


def grown(window, start_s, end_s, steps=1, by=("robot",), where=None):
    found = window.increases(FAMILY, by, Span(start_s, end_s, (end_s - start_s) / steps), where)
    return {key: [round(float(value), 6) for value in values] for key, values in found.items()}


def test_growth_is_what_came_between_two_times():
    window = Window()
    for at_s, count in ((100, 5), (102, 5), (104, 9), (106, 13)):
        window.add(EDGE, page(count), at_s)
    assert grown(window, 100, 106) == {("r",): [8]}
    assert grown(window, 100, 106, steps=3) == {("r",): [0, 4, 4]}


def test_what_was_counted_before_the_first_look_is_not_shown():
    window = Window()
    window.add(EDGE, page(1000), 100)
    window.add(EDGE, page(1001), 102)
    assert grown(window, 90, 102) == {("r",): [1]}


def test_a_restarted_process_counts_on():
    window = Window()
    for at_s, count in ((100, 50), (102, 60), (104, 3), (106, 5)):
        window.add(EDGE, page(count), at_s)
    assert grown(window, 100, 106) == {("r",): [15]}


def test_a_counter_that_appears_on_a_known_process_began_at_zero():
    window = Window()
    window.add(EDGE, page(1), 100)
    window.add(EDGE, page(1) + page(7, "new"), 102)
    assert grown(window, 100, 102) == {("new",): [7]}


def test_a_gap_without_scrapes_loses_nothing():
    window = Window()
    window.add(EDGE, page(0), 100)
    window.add(EDGE, page(60), 160)
    assert grown(window, 100, 160, steps=2) == {("r",): [30, 30]}


def test_processes_that_come_and_go_are_added_up():
    window = Window()
    window.add(EDGE, page(0), 100)
    window.add(EDGE, page(4), 102)
    window.add(CLOUD, page(10), 103)
    window.add(CLOUD, page(11), 105)
    assert grown(window, 100, 106) == {("r",): [5]}
    assert grown(window, 100, 106, by=("rilaas_name",)) == {("edge-1",): [4], ("cloud-1",): [1]}
    assert grown(window, 100, 106, where={"rilaas_name": {"cloud-1"}}) == {("r",): [1]}


def test_steps_before_the_first_scrape_are_unknown_and_not_zero():
    window = Window()
    window.add(EDGE, page(0), 100)
    window.add(EDGE, page(4), 104)
    values = window.increases(FAMILY, ("robot",), Span(80, 104, 12))["r",]
    assert np.isnan(values[0])
    assert values[1] == 4


def test_a_clock_that_was_set_back_changes_nothing():
    window = Window()
    window.add(EDGE, page(1), 100)
    window.add(EDGE, page(5), 50)
    window.add(EDGE, page(3), 102)
    assert grown(window, 100, 102) == {("r",): [2]}


def test_a_gauge_of_a_process_that_went_away_is_not_shown():
    now = [100.0]
    window = Window(clock=lambda: now[0])
    window.add(EDGE, 'rilaas_g{server="a"} 2\nrilaas_g{server="b"} 1\n', 100)
    window.add(EDGE, 'rilaas_g{server="a"} 3\n', 102)
    assert window.latest("rilaas_g", ("server",)) == {("a",): 3.0}
    now[0] = 200.0
    assert window.latest("rilaas_g", ("server",)) == {}


def test_the_window_takes_so_many_series_and_counts_what_it_drops():
    window = Window(max_series=10)
    for i in range(30):
        window.add(EDGE, page(1, f"r{i}"), 100 + i)
    assert window.series_count == 10
    assert window.dropped == 20


def test_a_day_of_scrapes_fits_into_a_thousand_points_and_keeps_its_sum():
    series = Series(grows=True)
    for i in range(43_200):
        series.add(2.0 * i, float(i))
        if i % 30 == 0:
            series.thin(2.0 * i)
    assert len(series) < 1000
    whole = growths([series.points()], np.array([0.0, 86_398.0]), [0])
    assert whole == pytest.approx(np.array([[43_199]]), rel=0.01)
    assert growths([series.points()], np.array([85_398.0, 86_398.0]), [0]) == pytest.approx(np.array([[500]]))


def test_many_series_at_once_give_what_each_gives_alone():
    random = np.random.default_rng(0)
    every = []
    for _ in range(40):
        series = Series(grows=True)
        at_s = 1.7e9 + np.cumsum(random.uniform(0.5, 3.0, random.integers(1, 30)))
        for each_s, value in zip(at_s, np.cumsum(random.integers(0, 5, len(at_s))), strict=True):
            series.add(float(each_s), float(value))
        every.append(series.points())
    edges = 1.7e9 + np.linspace(-10.0, 60.0, 15)
    rows = [i % 7 for i in range(40)]
    alone = [np.diff(np.interp(edges, np.frombuffer(times), np.frombuffer(values))) for times, values in every]
    wanted = [sum(grown for grown, row in zip(alone, rows, strict=True) if row == i) for i in range(7)]
    assert growths(every, edges, rows) == pytest.approx(np.array(wanted), abs=1e-4)


def test_series_that_are_gone_for_a_day_are_forgotten():
    window = Window()
    window.add(EDGE, page(1), 100)
    window.add(CLOUD, page(1), 100 + 25 * 3600)
    assert window.series_count == 1


def test_the_text_format_is_read_as_it_is_defined():
    text = (
        "# HELP a_total x\n# TYPE a_total counter\n"
        'a_total{x="q\\"u{}o\\\\t,e\\n",y="2"} 1.5 1700000000000\n'
        "# TYPE h histogram\n"
        'h_bucket{le="+Inf"} 3\nh_count 3\nh_sum NaN\n'
        "g -Inf\nnonsense\nalso nonsense\nbad{x=1} 2\n"
    )
    found = {row.family: row for row in read_exposition(text)}
    assert found["a_total"].labels == (("x", 'q"u{}o\\t,e\n'), ("y", "2"))
    assert found["a_total"].value == 1.5
    assert found["h_bucket"].grows
    assert not found["g"].grows
    assert set(found) == {"a_total", "h_bucket", "h_count", "g"}


def test_percentiles_are_those_of_the_histogram():
    histogram = Histogram("h", "x")
    for i in range(500):
        histogram.observe(0.0003 * i * (1 + i % 7))
    upto = [
        (float(line.split('le="')[1].split('"')[0]), float(line.split()[-1]))
        for line in histogram.lines()
        if "_bucket" in line
    ]
    for q in (0, 1, 50, 95, 99, 100):
        assert percentile(upto, q) == pytest.approx(histogram.percentile(q))


def test_nothing_has_no_percentile():
    assert percentile([], 50) is None
    assert percentile([(1.0, 0.0), (float("inf"), 0.0)], 50) is None


def test_the_share_above_a_bound_lies_between_its_buckets():
    upto = [(0.01, 50.0), (0.1, 90.0), (float("inf"), 100.0)]
    assert share_above(upto, 0.01) == pytest.approx(0.5)
    assert share_above(upto, 0.1) == pytest.approx(0.1)
    assert 0.1 < share_above(upto, 0.05) < 0.5
    assert share_above([], 0.1) is None
