"""One file, for everybody, that loads nothing."""

import html.parser
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from rilaas.report import (
    Episode,
    Figure,
    Provenance,
    Report,
    Table,
    distance_chart,
    interval_chart,
    latency_chart,
    summarize,
)

VOID = {"meta", "img", "br", "link", "input"}


class Page(html.parser.HTMLParser):
    """Collects tags and complains about those that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def test_every_tag_is_closed_in_order(report):
    Page(report.to_html())


def test_nothing_is_loaded_from_anywhere_and_nothing_runs(report):
    page = Page(report.to_html())
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed"})
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            assert attributes.get(name, "data:").startswith("data:")
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "url(" not in report.to_html()
    assert "@import" not in report.to_html()


def test_every_picture_has_words_and_every_chart_its_table(report):
    page = Page(report.to_html())
    images = page.all("img")
    assert len(images) == 3
    assert all(len(image["alt"]) > 20 for image in images)
    assert sum("The numbers" in words for words in page.words) == 3


def test_light_and_dark_follow_the_reader_in_page_and_charts(report):
    assert "prefers-color-scheme: dark" in report.to_html()
    assert all(b"prefers-color-scheme:dark" in figure.data for figure in report.figures)


@pytest.mark.parametrize("verdict", ["passed", "failed", "measured"])
def test_the_verdict_is_said_in_words_and_not_by_colour_alone(report, verdict):
    page = Page(Report("k", verdict, {}, report.provenance).to_html())
    assert any(verdict in words for words in page.words)


def test_the_headline_shows_means_with_intervals_and_latencies_by_server(report):
    page = report.to_html()
    headline = page[page.index('<dl class="headline">') : page.index("</dl>")]
    assert headline.count('class="tile"') == 4  # distance, lane time, edge, cloud
    for words in (
        "12.5 <span>m</span>",
        "[11.2-13.8], n=6",
        "Round trip edge",
        "6.00 <span>ms</span>",
        "median; p99 198&nbsp;ms, n=3",
    ):
        assert words in headline


def test_provenance_ends_the_page(report):
    page = report.to_html()
    end = page[page.index("<footer>") :]
    for part in ("a" * 40 + "-dirty", "0-5", "X1, 2 cores", "rilaas up --demo"):
        assert part in end


EVIL = "<script>alert(1)</script>\"'&"


def test_names_from_outside_are_shown_and_never_become_markup():
    source = Provenance(EVIL, EVIL, (), {"cpu": EVIL}, EVIL, EVIL)
    table = Table(EVIL, (EVIL,), ((EVIL,),), EVIL)
    episode = Episode(EVIL, 1, EVIL, {EVIL: 1.0})
    figure = Figure(EVIL, b"<svg onload='alert(1)'/>", "image/svg+xml", EVIL, EVIL, table)
    metrics = {EVIL: summarize([1.0, 2.0], EVIL, servers={EVIL: [1.0]})}
    page = Page(Report(EVIL, "passed", metrics, source, EVIL, (episode,), (table,), (figure,)).to_html())
    assert "script" not in {tag for tag, _ in page.tags}
    assert sum(EVIL in words for words in page.words) >= 10


def test_a_typical_report_is_far_under_a_megabyte(report):
    rng = np.random.default_rng(0)
    latency = {"edge": rng.gamma(5, 0.001, 50_000), "cloud": rng.gamma(5, 0.02, 50_000)}
    episodes = tuple(Episode("loop", i, "done", {"driven_lane_m": 10.0}) for i in range(100))
    figures = (latency_chart(latency, deadline_s=0.1), distance_chart(episodes))
    big = Report("demo", "passed", report.metrics, report.provenance, "", episodes, (), figures)
    assert len(big.to_html()) < 200_000


def words_of(figure):
    return [element.text for element in ET.fromstring(figure.data).iter("{http://www.w3.org/2000/svg}text")]


def shapes_of(figure, kind):
    return [e.attrib for e in ET.fromstring(figure.data).iter() if e.attrib.get("class") == kind]


def test_the_deadline_is_a_line_and_what_came_later_is_red():
    figure = latency_chart({"edge": [0.01] * 9 + [0.3], "cloud": [0.05]}, deadline_s=0.1)
    assert "deadline 100 ms" in words_of(figure)
    assert len(shapes_of(figure, "limit")) == 1
    assert len(shapes_of(figure, "fail")) == 1
    limit = float(shapes_of(figure, "limit")[0]["x1"])
    assert float(shapes_of(figure, "fail")[0]["x"]) > limit
    assert figure.table.columns[-1] == "too late"
    assert [row[-1] for row in figure.table.rows] == [1, 0]


@pytest.mark.parametrize(
    "latency", [{}, {"idle": []}, {"one": [0.005]}, {"same": [0.1] * 5}, {"wide": [1e-6, 100.0]}]
)
@pytest.mark.parametrize("deadline_s", [None, 0.1])
def test_any_set_of_servers_can_be_drawn(latency, deadline_s):
    figure = latency_chart(latency, deadline_s=deadline_s)
    assert set(latency) <= set(words_of(figure))


@pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf")])
def test_a_latency_that_cannot_be_is_refused(bad):
    with pytest.raises(ValueError, match="positive"):
        latency_chart({"a": [bad]})


def test_bars_are_red_where_the_episode_failed_even_if_it_failed_at_once():
    episodes = [
        Episode("s", 1, "done", {"driven_lane_m": 5.0}),
        Episode("s", 2, "left the road", {"driven_lane_m": 0.0}, failed=True),
        Episode("s", 3, "lost", {}, failed=True),
    ]
    figure = distance_chart(episodes)
    bars = shapes_of(figure, "fail")
    assert [float(bar["height"]) for bar in bars] == [3.0, 10.0]  # the stub, and the legend's square
    assert len(shapes_of(figure, "s0")) == 1
    assert "2 failed" in figure.alt


@pytest.mark.parametrize("count", [0, 1, 24, 500])
def test_any_number_of_episodes_can_be_drawn(count):
    episodes = [Episode("s", i, "done", {"driven_lane_m": float(i)}) for i in range(count)]
    figure = distance_chart(episodes, reference=[9.0] * count)
    assert len(figure.table.rows) == count


def test_a_reference_of_another_length_is_refused():
    with pytest.raises(ValueError, match="1 episodes need as many"):
        distance_chart([Episode("s", 1, "done", {})], reference=[1.0, 2.0])


def test_bars_on_one_axis_need_one_unit_and_a_zero():
    metre, second = summarize([1.0, 2.0], "m"), summarize([1.0], "s")
    with pytest.raises(ValueError, match="one unit"):
        interval_chart({"a": metre, "b": second}, title="t")
    with pytest.raises(ValueError, match="negative"):
        interval_chart({"a": summarize([-1.0, -2.0], "m")}, title="t")
    figure = interval_chart({"a": metre, "none": summarize([], "m")}, title="t")
    assert "[1.0-2.0], n=2" in words_of(figure)
    assert "n=0" in words_of(figure)
