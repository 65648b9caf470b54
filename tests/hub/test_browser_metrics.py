"""A person's browser watches robots' queries: charts that follow the time, tables where nothing runs scripts."""

import shutil
import tempfile
import threading
import time

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from rilaas.observe import Registry, serve_metrics
from tests.hub_process import HubProcess, Visitor

WAIT_S = 60
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


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


@pytest.fixture
def browser(hub):
    if not (CHROMIUM and DRIVER):
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
            options.add_argument(word)
        with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
            with hub.connect() as mine:
                assert mine.get("/api/v1/me")["person"] == "local"
            browser.get(_entry(hub))
            browser.find_element(By.CSS_SELECTOR, "main button").click()
            yield browser


def _entry(hub):
    return hub.ready["entry"]


def _sent(browser):
    return int(browser.find_element(By.CSS_SELECTOR, "#m-tiles b").text.replace("\u2009", "") or 0)


def test_charts_and_numbers_follow_the_time(hub, browser):
    wait = WebDriverWait(browser, WAIT_S)
    browser.get(f"{hub.url}/metrics?range=5m&deadline_ms=50")
    wait.until(lambda b: len(b.find_elements(By.CSS_SELECTOR, "[data-charts] canvas")) >= 3)  # grown without a reload
    wait.until(lambda b: _sent(b) > 3)
    before = _sent(browser)
    wait.until(lambda b: _sent(b) > before)
    text = browser.find_element(By.TAG_NAME, "main").text
    assert "local/lane" in text
    assert "battery of local" in text
    assert "refused by a rate limit" in text
    assert "later than 50 ms" in text
    browser.set_window_size(420, 900)
    wait.until(lambda b: b.execute_script("return document.documentElement.scrollWidth <= innerWidth"))
    assert [row for row in browser.get_log("browser") if row["level"] == "SEVERE"] == []


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
