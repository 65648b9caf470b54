"""Recordings of made-up drives."""

import cv2
import numpy as np

from rilaas.report import Provenance
from rilaas.report.playback import (
    About,
    Box,
    Light,
    MapPicture,
    Mark,
    Mover,
    Recording,
    Signal,
    View,
)

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 3 2"><rect width="3" height="2"/></svg>'


def recording(scenario="oval", seed=3, *, words="", count=41, film=True):
    """A drive along x at 0.5 m/s, stamped every 0.05 s, with a vehicle ahead, a light, and two marks."""
    t_s = 0.05 * np.arange(count)
    poses = np.column_stack([0.5 * t_s, np.full(count, 0.3), np.zeros(count)])
    about = About(
        policy=f"lane-following (1a2b3c4d5e6f){words}",
        scenario=scenario,
        seed=seed,
        world={"name": scenario, "map": "oval", "seed": seed},
        suite="quick-look",
        suite_digest="sha256:1",
        latency="fixed: 0.05 s",
        deadline_s=0.1,
        status="off_road",
        failed=True,
        reason=words,
        metrics={"driven_lane_m": 1.0},
        units={"driven_lane_m": "m"},
        provenance=Provenance("0.1.0", "", (seed,), {"cpu": "X1", "cores": 2}, "rilaas evaluate lane-following"),
    )
    offset = np.where(t_s < 1.0, 0.05 * t_s, np.nan)
    picture = cv2.imencode(".jpg", np.full((120, 160, 3), 90, np.uint8))[1].tobytes()
    return Recording(
        about=about,
        t_s=t_s,
        poses=poses,
        robot=Box(0.18, 0.13, -0.024),
        ground=MapPicture(SVG, -0.2, -0.2, 3.0, 2.0),
        film=tuple((float(t), picture) for t in t_s[::2]) if film else (),
        movers=(Mover(f"vehicle-1{words}", "vehicle", Box(0.18, 0.13, -0.024), poses + np.array([0.6, 0.0, 0.0])),),
        lights=(Light((1.0, 0.3, 0.0), 0.11, (2 * (t_s < 1.0)).astype(np.uint8)),),
        marks=(
            Mark("left_lane", 1.0, (0.5, 0.3, 0.0), words),
            Mark("end: off_road", float(t_s[-1]), (1.0, 0.3, 0.0)),
        ),
        signals=(
            Signal("speed_m_per_s", t_s, np.full(count, 0.5), "m/s"),
            Signal("lateral_offset_m", t_s, offset, "m"),
            Signal("latency_s", t_s[1:] + 0.01, np.full(count - 1, 0.05), "s"),
        ),
        views=(
            View("Speed", ("speed_m_per_s",), "m/s"),
            View("Lateral offset", ("lateral_offset_m",), "m"),
            View("Latency", ("latency_s",), "ms", 1e3, "dots", 0.1, "deadline"),
        ),
        lanes=(np.array([[0.0, 0.3], [1.0, 0.3]]),),
    )
