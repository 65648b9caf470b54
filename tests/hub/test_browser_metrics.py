"""A person's browser watches robots' queries: charts that follow the time, tables where nothing runs scripts."""

import threading
import time

import pytest

from rilaas.observe import Registry, serve_metrics
from tests.browser import WAIT_S, chromium, needs_chromium
from tests.hub_process import HubProcess, Visitor


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A hub with an interceptor that reports, and robots that ask it."""
    registry = Registry()
    requests = registry.counter("rilaas_route_requests_total", "x", ("robot", "model", "outcome"))
    seconds = registry.histogram("rilaas_route_robot_seconds", "x", ("robot", "model"))
    ending = threading.Event()
    with (
        HubProcess(tmp_path_factory.mktemp("metrics") / "home") as hub,
        hub.connect() as mine,
        serve_metrics(registry) as endpoint,
    ):
        token = mine.post("/api/v1/tokens", {"name": "front", "scopes": ["interceptor"], "subject": "front"})["token"]
        state = {"address": "127.0.0.1:8443", "metrics": endpoint.address, "epoch": 0, "source": "hub"}

        def serve():
            with hub.connect(token) as machine:
                while not ending.wait(0.5):
                    machine.post("/api/v1/interceptors/front", state)
                    for outcome in ("ok", "ok", "rate_limited"):
                        requests.inc(robot="local/lab-1", model="local/lane", outcome=outcome)
                    seconds.observe(0.012, robot="local/lab-1", model="local/lane")

        thread = threading.Thread(target=serve)
        thread.start()
        mine.post("/api/v1/metrics/samples", {"samples": [{"name": "battery", "unit": "V", "value": 11.9}]})
        yield hub
        ending.set()
        thread.join()


def sent(browser):
    """The number of queries that the page shows."""
    return int(browser.find("#m-tiles b").text.replace("\u2009", "") or 0)


@needs_chromium
def test_charts_and_numbers_follow_the_time(hub):
    with chromium(hub.url) as browser:
        browser.enter(hub.ready["entry"])
        browser.go("/metrics?range=5m&deadline_ms=50")
        browser.wait(lambda _: len(browser.texts("[data-charts] canvas")) >= 3)  # grown without a reload
        browser.wait(lambda _: sent(browser) > 3)
        before = sent(browser)
        browser.wait(lambda _: sent(browser) > before)
        for words in ("local/lane", "battery of local", "refused by a rate limit", "later than 50 ms"):
            assert words in browser.text()
        browser.driver.set_window_size(420, 900)
        browser.wait(
            lambda driver: driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        )
        assert browser.complaints() == []


def test_without_scripts_the_tables_say_it(hub):
    with hub.connect() as mine:
        end = time.monotonic() + WAIT_S
        while not mine.get("/api/v1/metrics")["total"]["sent"]:
            assert time.monotonic() < end
            time.sleep(0.2)
        page = mine.get("/api/v1/metrics", group="robot")
    assert page["queries"][0]["group"] == "local/lab-1"
    assert page["round_trip"][0]["n"] > 0
    assert "sign-in" in Visitor(hub.url).get("/sign-in")
