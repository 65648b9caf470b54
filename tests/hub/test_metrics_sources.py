"""One contract for the hub's window and for a Prometheus: the same traffic, the same answers."""

import json
import math
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from rilaas.core import InvalidInput, Unavailable
from rilaas.hub.metrics.collector import Collector, scrape
from rilaas.hub.metrics.percentile import by_bound, percentile
from rilaas.hub.metrics.prometheus import Prometheus, selector
from rilaas.hub.metrics.source import Span
from rilaas.hub.metrics.target import Target
from rilaas.hub.metrics.window import Window
from rilaas.observe import Registry, serve_metrics

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "install_packages.sh"
NASTY = 'a"b\\c{d}|e\nf.*'
CONFIG = """
global: {{scrape_interval: 250ms, scrape_timeout: 250ms}}
scrape_configs:
- job_name: rilaas
  static_configs:
  - targets: ["{address}"]
    labels: {{rilaas_kind: interceptor, rilaas_name: front}}
"""


class Traffic:
    """A service with metrics, some of which move."""

    def __init__(self):
        registry = Registry()
        self.registry = registry
        self.requests = registry.counter("rilaas_route_requests_total", "Requests.", ("robot", "model", "outcome"))
        self.seconds = registry.histogram("rilaas_route_robot_seconds", "Seconds.", ("robot", "model"))
        self.waiting = registry.gauge("rilaas_route_in_flight", "Waiting.", ("server",))
        for robot in ("alice/lab-1", NASTY):
            self.requests.inc(0, robot=robot, model="m", outcome="ok")
        self.requests.inc(0, robot="alice/lab-1", model="m", outcome="rate_limited")
        self.waiting.set(3, server="edge")
        self.seconds.observe(0.0001, robot="alice/lab-1", model="m")

    def move(self):
        """What a second of service does."""
        for value in (0.004, 0.008, 0.03, 0.04, 0.3):
            self.requests.inc(robot="alice/lab-1", model="m", outcome="ok")
            self.seconds.observe(value, robot="alice/lab-1", model="m")
        self.requests.inc(2, robot=NASTY, model="m", outcome="ok")
        self.requests.inc(robot="alice/lab-1", model="m", outcome="rate_limited")


@pytest.fixture(scope="module")
def traffic():
    """A service that was busy under the eyes of both sources; with the span in which it was."""
    moving = Traffic()
    with serve_metrics(moving.registry) as endpoint:
        target = Target("interceptor", "front", endpoint.address)
        window = Window()
        collector = Collector(window, lambda: [target], every_s=0.25)
        process = _prometheus(endpoint.address)
        collector.start()
        try:
            if process:
                _wait_for(process[1], "rilaas_route_in_flight")
            else:
                time.sleep(0.6)
            start_s = time.time()
            for _ in range(8):
                moving.move()
                time.sleep(0.5)
            time.sleep(1.0)
            end_s = time.time()
            yield {"window": window, "prometheus": process and process[1], "span": Span(start_s - 1, end_s, 60.0)}
        finally:
            collector.stop()
            if process:
                process[0].terminate()
                process[0].wait()
                shutil.rmtree(process[2])


def _prometheus(address):
    if shutil.which("prometheus") is None:
        subprocess.run(["bash", str(SCRIPT), "prometheus"], capture_output=True, check=False)
    if shutil.which("prometheus") is None:
        return None
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="prometheus-"))
    (folder / "prometheus.yml").write_text(CONFIG.format(address=address))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    process = subprocess.Popen(
        ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
        env={"PATH": os.environ["PATH"], "GOMAXPROCS": "1"},
        stderr=subprocess.DEVNULL,
    )
    return process, f"http://127.0.0.1:{port}", folder


def _wait_for(url, family):
    end = time.monotonic() + 60.0
    while True:
        try:
            if Prometheus(url).latest(family, ()):
                return
        except Unavailable:
            assert time.monotonic() < end, "prometheus does not answer"
        time.sleep(0.05)


@pytest.fixture(params=["window", "prometheus"])
def source(request, traffic):
    if request.param == "window":
        return traffic["window"]
    if traffic["prometheus"] is None:
        pytest.skip("prometheus is not installed and cannot be: scripts/install_packages.sh prometheus")
    return Prometheus(traffic["prometheus"], timeout_s=60, least_window_s=1.0)


@pytest.fixture
def span(traffic):
    whole = traffic["span"]
    return Span(whole.start_s, whole.end_s, whole.end_s - whole.start_s)


def total(found, *key):
    return float(np.nansum(found[key]))


def test_growth_is_told_apart_by_the_labels_asked_for(source, span):
    by_outcome = source.increases("rilaas_route_requests_total", ("outcome",), span)
    assert total(by_outcome, "ok") == pytest.approx(8 * 7, rel=0.2)
    assert total(by_outcome, "rate_limited") == pytest.approx(8, rel=0.2)
    by_robot = source.increases("rilaas_route_requests_total", ("robot", "model"), span)
    assert total(by_robot, "alice/lab-1", "m") == pytest.approx(8 * 6, rel=0.2)
    assert set(by_robot) == {("alice/lab-1", "m"), (NASTY, "m")}


def test_only_the_values_that_are_let_through_count(source, span):
    family, by = "rilaas_route_requests_total", ("robot",)
    assert set(source.increases(family, by, span, {"robot": [NASTY]})) == {(NASTY,)}
    assert set(source.increases(family, by, span, {"robot": [NASTY, "alice/lab-1"]})) == {(NASTY,), ("alice/lab-1",)}
    assert source.increases(family, by, span, {"robot": ["alice.lab-1", ".*"]}) == {}
    assert source.increases(family, by, span, {"robot": ['x"} or vector(1) or {a="']}) == {}
    assert source.increases(family, by, span, {"robot": []}) == {}


def test_the_label_of_the_registration_is_there(source, span):
    found = source.increases("rilaas_route_requests_total", ("rilaas_kind", "rilaas_name"), span)
    assert set(found) == {("interceptor", "front")}


def test_percentiles_of_buckets_are_near_the_true_ones(source, span):
    found = source.increases("rilaas_route_robot_seconds_bucket", ("le",), span)
    upto = [(bound, float(np.nansum(counts))) for bound, counts in by_bound({key[0]: v for key, v in found.items()})]
    assert 0.02 <= percentile(upto, 50) <= 0.05
    assert 0.2 <= percentile(upto, 95) <= 0.5
    assert math.isinf(upto[-1][0])


def test_steps_add_up_to_the_whole(source, traffic, span):
    steps = Span(span.start_s, span.end_s, (span.end_s - span.start_s) / 4)
    found = source.increases("rilaas_route_requests_total", ("outcome",), steps)
    assert found["ok",].shape == (4,)
    assert np.nansum(found["ok",]) == pytest.approx(8 * 7, rel=0.35)


def test_a_gauge_is_as_it_is_now(source):
    assert source.latest("rilaas_route_in_flight", ("server",)) == {("edge",): 3.0}
    assert source.latest("rilaas_nothing", ("server",)) == {}


def test_our_percentiles_are_those_of_prometheus(traffic):
    url = traffic["prometheus"]
    if url is None:
        pytest.skip("prometheus is not installed and cannot be: scripts/install_packages.sh prometheus")
    rows = _ask(url, "sum by (le) (rilaas_route_robot_seconds_bucket)")
    upto = sorted((float(row["metric"]["le"]), float(row["value"][1])) for row in rows)
    for q in (1, 50, 90, 95, 99, 100):
        theirs = _ask(url, f"histogram_quantile({q / 100}, sum by (le) (rilaas_route_robot_seconds_bucket))")
        assert percentile(upto, q) == pytest.approx(float(theirs[0]["value"][1]))


def _ask(url, query):
    address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(address) as answer:
        return json.load(answer)["data"]["result"]


def test_a_prometheus_that_is_away_is_named_without_its_password():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    away = Prometheus(f"http://me:secret@127.0.0.1:{port}/prom")
    with pytest.raises(Unavailable, match=f"not reachable at http://127.0.0.1:{port}/prom: ") as caught:
        away.latest("up", ())
    assert "secret" not in str(caught.value)


def test_something_else_that_answers_is_no_prometheus():
    with serve_metrics(Registry()) as other, pytest.raises(Unavailable, match="not reachable at"):
        Prometheus(f"http://{other.address}").latest("up", ())


def test_the_address_of_a_prometheus_is_a_url():
    for wrong in ("127.0.0.1:9090", "ftp://x", "http://", "http://x:99999"):
        with pytest.raises(InvalidInput):
            Prometheus(wrong)


def test_a_selector_stays_one_whatever_the_values_contain():
    assert selector("up") == "up{}"
    assert selector("up", {"a": ['x"y\\z']}) == r'up{a="x\"y\\z"}'
    assert selector("up", {"a": ["p.q", "r|s"]}) == r'up{a=~"p\\.q|r\\|s"}'
    with pytest.raises(ValueError, match="not a name"):
        selector('up{} or {a="b"}')
    with pytest.raises(ValueError, match="not a name"):
        selector("up", {'a="b"} or {c': ["x"]})


def test_a_target_that_does_not_answer_is_missing():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert scrape(Target("server", "gone", f"127.0.0.1:{port}")) is None
    assert scrape(Target("server", "wrong", "nowhere")) is None
