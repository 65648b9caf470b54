"""Take the pictures of the hub's pages for README and docs: a fleet with two robots that drive through it.

Run ``python scripts/screenshots.py``; it takes about five minutes, and needs Chromium with its driver
(``scripts/install_packages.sh chromium chromium-driver``). ``--out`` writes elsewhere than in docs/images.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import io
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from rilaas.cli.fleet import INTERCEPTOR, Fleet
from rilaas.cli.fleet_setup import Deployed, add_robot, deploy, wait_in_force
from rilaas.cli.hub_target import keep_report
from rilaas.cli.output import Output
from rilaas.cli.push import Said, push_folder
from rilaas.cli.up import CLOUD, DEADLINE_S, EDGE, shipped_model
from rilaas.client import RobotClient
from rilaas.client.own_metrics import OwnMetrics
from rilaas.core import DeadlineExceeded, ModelRef, RateLimited, Unavailable
from rilaas.evaluate.driving import Latency, Scenario, World, read_suite, run_suite
from rilaas.learn.expert import Expert
from rilaas.store import read_model_folder
from rilaas.wire import HubConnection, load_private_key

DOCS = Path(__file__).resolve().parents[1] / "docs" / "images"
MODEL, DATASET = "alice/lane-following", "alice/roads"
WIDTH_PX, MAX_BYTES = 1280, 150_000
MAPS = ("oval", "s_bends", "zigzag", "held_out_heart")
NOTES = {"lab-1": "drives in the tile world", "lab-2": "asks more often than it may", "spare": "in its box"}
WAIT_S = 120.0
TRAFFIC_S = 230.0  # long enough to fill most of the charts


class Camera:
    """A browser that visits pages and takes their pictures."""

    def __init__(self, driver: webdriver.Chrome, url: str, out: Path) -> None:
        self.driver, self._url, self._out = driver, url, out
        driver.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
        )

    def open(self, path: str, until: str = "main") -> None:
        """Open a page, and wait for an element of it."""
        self.driver.get(path if "://" in path else self._url + path)
        self.wait(until)

    def wait(self, css: str) -> None:
        """Wait until there is such an element with some height."""
        WebDriverWait(self.driver, WAIT_S).until(
            lambda driver: any(each.size["height"] for each in driver.find_elements(By.CSS_SELECTOR, css))
        )

    def type(self, css: str, text: str) -> None:
        """Fill in a field."""
        self.driver.find_element(By.CSS_SELECTOR, css).send_keys(text)

    def press(self, css: str, until: str) -> None:
        """Press a button, and wait for an element."""
        self.driver.find_element(By.CSS_SELECTOR, css).click()
        self.wait(until)

    def text(self, css: str) -> str:
        """An element's text."""
        return str(self.driver.find_element(By.CSS_SELECTOR, css).text)

    def take(self, name: str, height_px: int) -> None:
        """Write the upper part of the page, as it is now."""
        time.sleep(0.5)  # pictures and charts of the visible part are drawn
        whole = int(self.driver.execute_script("return document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": WIDTH_PX, "height": min(whole, height_px), "scale": 1}
        said = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
        _write_small(Image.open(io.BytesIO(base64.b64decode(said["data"]))), self._out / f"hub-{name}.png")


def main() -> int:
    """Start everything, let robots drive, take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DOCS, help="folder of the pictures")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="rilaas-") as folder,
        Fleet(Path(folder) / "home", (EDGE, CLOUD)) as fleet,
    ):
        fleet.start_machines()
        with _camera(fleet.url, Path(folder), out) as camera:
            token = _sign_up(camera, fleet.entry)
            with HubConnection(fleet.url, token) as hub:
                _fill(fleet, hub, camera, Path(folder))
    return 0


def _fill(fleet: Fleet, hub: HubConnection, camera: Camera, folder: Path) -> None:
    """Everything that the pictures show is done here, as people and robots do it."""
    output = Output(quiet=True)
    model, both = read_model_folder(shipped_model("lane-following")), [EDGE.name, CLOUD.name]
    shown = deploy(hub, model, both, "least_connections", output)
    frame = _upload_roads(hub, folder)
    run = hub.post("/api/v1/runs", {"model": MODEL, "dataset": DATASET})["id"]
    _second_version(hub, folder, output)
    keys = []
    for name in NOTES:
        keys.append(add_robot(hub, name, MODEL, folder))
        hub.patch(f"/api/v1/robots/alice/{name}", {"note": NOTES[name]})
    hub.put_json(f"/api/v1/robots/alice/lab-2/models/{MODEL}", {"rate_per_s": 15, "burst": 5})
    with fleet.connect() as local:
        wait_in_force(local, INTERCEPTOR)
    start, ending = time.monotonic(), threading.Event()
    robots = [threading.Thread(target=_drive_about, args=(fleet, keys[1], ending))]
    robots[0].start()
    try:
        _drive_suite(fleet, hub, keys[0], shown)
        robots.append(threading.Thread(target=_drive_about, args=(fleet, keys[0], ending)))
        robots[1].start()
        time.sleep(max(0.0, TRAFFIC_S - (time.monotonic() - start)))
        _take_all(camera, run, frame)
    finally:
        ending.set()
        for robot in robots:
            robot.join()


def _take_all(camera: Camera, run: int, frame: Path) -> None:
    camera.open("/")
    camera.take("home", 900)
    camera.open(f"/models/{MODEL}")
    camera.type("#try [name=file]", str(frame))
    camera.press("#try form button", "#tried figure img")
    camera.take("model", 1500)
    camera.open(f"/runs/{run}", ".gallery img")
    camera.take("run", 1250)
    camera.open("/robots/alice/lab-1")
    camera.take("robot", 1250)
    camera.open(f"/deployments/{MODEL}")
    camera.take("deployment", 1250)
    camera.open("/metrics?range=5m&deadline_ms=100&group=robot", "[data-charts] canvas")
    camera.take("metrics", 1700)


@contextmanager
def _camera(url: str, folder: Path, out: Path) -> Iterator[Camera]:
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        sys.exit("It needs a browser: scripts/install_packages.sh chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = str(programs[0])
    words = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
    for word in (*words, f"--window-size={WIDTH_PX},1100", f"--user-data-dir={folder / 'chromium'}"):
        options.add_argument(word)
    with webdriver.Chrome(options, webdriver.ChromeService(programs[1])) as driver:
        yield Camera(driver, url, out)


def _sign_up(camera: Camera, entry: str) -> str:
    """Invite Alice, sign in as her; returns a token of hers."""
    camera.open(entry)
    camera.press("main button", ".flow")
    camera.open("/people")
    camera.type("[name=name]", "bob")
    camera.press("[value=invite]", "#fresh")
    camera.open("/people")
    camera.type("[name=name]", "alice")
    camera.press("[value=invite]", "#fresh")
    link = camera.text("#fresh")
    camera.driver.delete_all_cookies()
    camera.open(link)
    camera.press("main button", "[name=scopes]")
    camera.type("[name=name]", "workstation")
    for box in camera.driver.find_elements(By.NAME, "scopes"):
        box.click()
    camera.press("[value=make-token] ~ div button", "#fresh")
    return camera.text("#fresh")


def _upload_roads(hub: HubConnection, folder: Path) -> Path:
    """A dataset of frames with what the expert does there; returns one frame, as a picture."""
    frames, wheels = [], []
    for seed, name in enumerate(MAPS):
        world = World(Scenario("roads", name, 100 + seed, appearance="varied"))
        frame, expert = world.reset(), Expert()
        for step in range(240):
            throttle, steering = expert.command(world) or (0.0, 0.0)
            now = throttle - steering, throttle + steering
            if step % 20 == 10:
                frames.append(frame)
                wheels.append(now)
            frame = world.step(now)
    np.savez_compressed(
        folder / "roads.npz", **{"image": np.array(frames), "expected/wheels": np.array(wheels, "f4")}
    )
    _send(hub, folder / "roads.npz")
    Image.fromarray(frames[-1]).save(folder / "road.png")
    return folder / "road.png"


def _send(hub: HubConnection, path: Path) -> None:
    data = path.read_bytes()
    sent: dict[str, Any] = {"sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data)}
    hub.put(f"/api/v1/uploads/{sent['sha256']}", data, size_bytes=len(data))
    about = {"filename": path.name, "description": "Frames of the tile world, and what the expert does there."}
    hub.post(f"/api/v1/datasets/{DATASET}/versions/from-upload", {**sent, **about})
    until = time.monotonic() + WAIT_S
    while not any(row["ref"] == DATASET and row["newest"] for row in hub.get("/api/v1/datasets")["rows"]):
        if time.monotonic() > until:
            sys.exit("the dataset was not read")
        time.sleep(0.2)


def _second_version(hub: HubConnection, folder: Path, output: Output) -> None:
    """The same network with another card: a canary for a tenth of the queries."""
    copy = folder / "lane-following"
    shutil.copytree(shipped_model("lane-following"), copy)
    with (copy / "README.md").open("a") as card:
        card.write("\nA version for the pictures of the hub: the network is that of version 1.\n")
    pushed = push_folder(hub, read_model_folder(copy), Said(ModelRef("lane-following"), "another card"), output).ref
    row = hub.get(f"/api/v1/deployments/{MODEL}")
    canary = {"revision": pushed.revision, "share": 0.1, "generation": row["generation"]}
    hub.put_json(f"/api/v1/deployments/{MODEL}/canary", canary)
    hub.put_json(f"/api/v1/models/{MODEL}/collaborators/bob", {})


def _drive_suite(fleet: Fleet, hub: HubConnection, key: Path, shown: Deployed) -> None:
    with RobotClient(fleet.address, MODEL, "", key, fleet.ca_path) as robot:
        report = run_suite(robot, read_suite("demo"), latency=Latency.measured(), deadline_s=DEADLINE_S)
    keep_report(hub, report, ModelRef.parse(f"{shown.ref}:{shown.revision}"))


def _drive_about(fleet: Fleet, key: Path, ending: threading.Event) -> None:
    """A robot that asks up to 20 times a second, and posts how far it is off the lane's centre."""
    with (
        RobotClient(fleet.address, MODEL, "", key, fleet.ca_path) as robot,
        OwnMetrics(fleet.url, load_private_key(key)) as own,
    ):
        world = World(Scenario("about", "oval", 7, appearance="varied"))
        frame, wheels = world.reset(), (0.0, 0.0)
        while not ending.wait(0.05):
            try:
                left, right = robot.predict({"image": frame[None]}, deadline_s=DEADLINE_S)["wheels"][0]
                wheels = float(left), float(right)
            except (RateLimited, DeadlineExceeded, Unavailable):
                pass  # it holds its command
            frame = world.step(wheels)
            if world.lane_pose is not None:
                own.post("off-centre", abs(world.lane_pose.lateral_m), "m", model=MODEL)
            if not world.is_on_road:
                frame = world.reset()


def _write_small(image: Image.Image, path: Path) -> None:
    """Write a PNG with as many colours as its size allows."""
    for colours in (256, 128, 64):
        image.convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MAX_BYTES:
            break
    sys.stderr.write(f"{os.fspath(path)}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    raise SystemExit(main())
