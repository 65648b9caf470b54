"""The metrics' text is read by Prometheus' own parser."""

import math
import threading
import urllib.error
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from rilaas.core import Unavailable
from rilaas.observe import Counter, Gauge, Histogram, Registry, serve_metrics


def samples(registry):
    families = text_string_to_metric_families(registry.to_text())
    return {(s.name, *sorted(s.labels.items())): s.value for family in families for s in family.samples}


def test_counters_gauges_and_histograms_are_read_back_by_prometheus_parser():
    registry = Registry()
    registry.counter("requests_total", "Requests.", ("model",)).inc(3, model="a")
    registry.gauge("in_flight", "Now.").set(2.5)
    registry.histogram("latency_seconds", "Time.", buckets=(0.1, 1.0)).observe(0.1)
    registry.histogram("latency_seconds", "Time.", buckets=(0.1, 1.0)).observe(7.0)
    read = samples(registry)
    assert read["requests_total", ("model", "a")] == 3
    assert read["in_flight",] == 2.5
    assert read["latency_seconds_bucket", ("le", "0.1")] == 1  # bounds are inclusive
    assert read["latency_seconds_bucket", ("le", "1")] == 1
    assert read["latency_seconds_bucket", ("le", "+Inf")] == 2
    assert read["latency_seconds_sum",] == pytest.approx(7.1)
    assert read["latency_seconds_count",] == 2


@given(st.text(), st.text(), st.floats(allow_nan=True))
def test_any_label_any_help_and_any_number_survive_the_text_format(label, help_text, number):
    registry = Registry()
    registry.gauge("g", help_text.replace("\r", ""), ("name",)).set(number, name=label)
    label = label.encode("utf-8", "replace").decode()
    (family, _) = text_string_to_metric_families(registry.to_text().encode("utf-8", "replace").decode())
    (sample,) = family.samples
    assert sample.labels["name"] == label
    assert sample.value == number or math.isnan(number)


def test_labels_that_a_stranger_makes_up_do_not_fill_the_memory():
    counter = Counter("c_total", "", ("model",), max_series=10)
    for i in range(1000):
        counter.inc(model=f"m{i}")
    text = "".join(counter.lines())
    assert len(text.splitlines()) == 2 + 10 + 1
    assert 'c_total{model="other"} 990' in text


def test_an_overflow_of_labels_is_itself_a_metric():
    registry = Registry()
    gauge = registry.gauge("g", "", ("name",))
    gauge._max_series = 2
    for i in range(5):
        gauge.set(1, name=str(i))
    assert samples(registry)["rilaas_metrics_overflow_total", ("metric", "g")] == 3


def test_the_same_name_gives_the_same_family_and_another_kind_is_refused():
    registry = Registry()
    assert registry.counter("x_total", "X.") is registry.counter("x_total", "X.")
    with pytest.raises(ValueError, match="already a counter"):
        registry.counter("x_total", "X.", ("model",))
    with pytest.raises(ValueError, match="already a counter"):
        registry.gauge("x_total", "X.")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Counter("without_suffix", ""),
        lambda: Counter("c_total", "").inc(-1),
        lambda: Counter("c_total", "", ("a",)).inc(),
        lambda: Counter("c_total", "", ("a",)).inc(a="1", b="2"),
        lambda: Gauge("a b", ""),
        lambda: Gauge("g", "", ("__reserved",)),
        lambda: Histogram("h", "", ("le",)),
        lambda: Histogram("h", "", buckets=(2.0, 1.0)),
        lambda: Histogram("h", "", buckets=()),
    ],
)
def test_a_misuse_is_a_value_error(make):
    with pytest.raises(ValueError, match=r"name|label|grow|bucket|_total"):
        make()


def test_a_gauge_can_follow_a_function_and_forget_a_label_set():
    registry = Registry()
    gauge = registry.gauge("g", "", ("server",))
    gauge.follow(lambda: 4.0, server="a")
    gauge.set(1.0, server="b")
    gauge.remove(server="b")
    assert samples(registry) == {("g", ("server", "a")): 4.0}


def test_many_threads_lose_no_count():
    counter, histogram = Counter("c_total", "", ("t",)), Histogram("h", "", buckets=(1.0,))

    def work():
        for _ in range(2000):
            counter.inc(t="x")
            histogram.observe(0.5)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter.value(t="x") == 8000
    assert "h_count 8000\n" in list(histogram.lines())


@given(st.lists(st.floats(0.0, 12.0), min_size=1, max_size=200), st.floats(0.0, 100.0))
def test_a_percentile_lies_in_the_bucket_of_the_exact_one(values, q):
    histogram = Histogram("h", "")
    for value in values:
        histogram.observe(value)
    rank = max(1, math.ceil(q / 100 * len(values)))
    exact = sorted(values)[rank - 1]
    bounds = (0.0, *histogram.buckets)
    upper = next((b for b in histogram.buckets if exact <= b), histogram.buckets[-1])
    lower = bounds[bounds.index(upper) - 1] if exact <= histogram.buckets[-1] else upper
    assert lower <= histogram.percentile(q) <= upper


def test_a_percentile_of_nothing_is_none():
    assert Histogram("h", "", ("a",)).percentile(50, a="x") is None


def test_the_endpoint_serves_the_text_and_says_where_it_is():
    registry = Registry()
    registry.counter("x_total", "X.").inc()
    with serve_metrics(registry) as endpoint:
        with urllib.request.urlopen(f"http://{endpoint.address}/metrics") as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert answer.read().decode() == registry.to_text()
        with pytest.raises(urllib.error.HTTPError, match="404") as caught:
            urllib.request.urlopen(f"http://{endpoint.address}/")
        assert b"/metrics" in caught.value.read()
        caught.value.close()
        head = urllib.request.Request(f"http://{endpoint.address}/metrics", method="HEAD")
        with urllib.request.urlopen(head) as answer:
            assert answer.read() == b""


def test_a_taken_port_is_answered_with_a_hint():
    with serve_metrics(Registry()) as endpoint:
        port = int(endpoint.address.rpartition(":")[2])
        with pytest.raises(Unavailable, match="in use") as caught:
            serve_metrics(Registry(), port=port)
        assert "another port" in caught.value.hint
