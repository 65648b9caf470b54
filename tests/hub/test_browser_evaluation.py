"""A person's browser evaluates a model: the form, the drive that is followed, its episodes, two compared."""

import pytest

from tests.browser import chromium, needs_chromium
from tests.hub.drive_parts import SUITE
from tests.hub.test_killed_evaluation import push
from tests.hub_process import HubProcess

pytestmark = needs_chromium
SEEDS = SUITE.replace("[1, 2]", "[1, 2, 4, 5, 6]").replace("1.0", "2.0")


@pytest.fixture
def hub(tmp_path):
    with HubProcess(tmp_path / "home") as hub:
        yield hub


def drive(browser, suite, latency_s=""):
    browser.go("/models/local/seeing/evaluate?revision=1")
    browser.find("details summary").click()
    browser.type("[name=suite_toml]", suite)
    if latency_s:
        browser.find("[name=latency][value=fixed]").click()
        browser.type("[name=latency_s]", latency_s)
    browser.press("form.stack button")


def followed(browser):
    """The page shows the end of the drive by itself."""
    browser.wait(lambda driver: "measured" in browser.text("h1"))
    return browser.path


def test_a_model_is_evaluated_followed_and_compared(hub, tmp_path):
    push(hub, tmp_path)
    with chromium(hub.url) as browser:
        browser.enter(hub.ready["entry"])
        browser.go("/models/local/seeing")
        assert "Evaluate it" in browser.text("#evaluations")
        drive(browser, SEEDS.replace("zigzag", "zigzac"))
        refused = browser.text(".notice.bad")
        assert "There is no map 'zigzac' on the hub. Did you mean 'zigzag'?" in refused
        assert "zigzac" in browser.find("[name=suite_toml]").get_attribute("value")
        drive(browser, SEEDS)
        assert any(
            words in browser.text("#live") for words in ("simulated time", "before it", "waiting for the worker")
        )
        first = followed(browser)
        assert "of 6 episodes completed" in browser.text()
        pictures = browser.driver.find_elements("css selector", "#figures img")
        browser.wait(lambda driver: all(each.get_property("complete") for each in pictures[:1]))
        assert pictures[0].get_property("naturalWidth") > 0
        drive(browser, SEEDS, "0.3")
        followed(browser)
        assert "latency fixed:0.3" in browser.text()
        browser.press("#metrics form button")
        assert f"({first.rpartition('/')[2]})" in browser.text("h1")
        words = browser.text("main > .notice")
        assert "is worse than" in words or "is better than" in words or "no measurable difference" in words
        browser.go(f"{first}/episodes/0")
        assert "Run it again" in browser.text()
        browser.driver.set_window_size(420, 900)
        browser.go(first)
        assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 420
        assert browser.complaints() == []
        assert browser.strange_addresses() == []
