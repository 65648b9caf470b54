"""A recording as the player's script takes it: plain values, numbers as short as they need be."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rilaas.report.number import value_text
from rilaas.report.playback.recording import Box, Floats, Recording, View

_STAMP, _PLACE, _VALUE = 3, 4, 5  # decimals: 1 ms, 0.1 mm, and of a signal as it is shown


def player_document(recording: Recording) -> dict[str, Any]:
    """A recording for ``player.js``.

    Returns:
        Values that JSON has. Stamps in s, places in m, headings in rad; a mover that stands has one pose.
    """
    about = recording.about
    return {
        "title": f"{about.scenario}, seed {about.seed}",
        "status": about.status.replace("_", " "),
        "failed": about.failed,
        "facts": [[name, value] for name, value in _facts(recording).items() if value],
        "metrics": [[name, value_text(value, about.units.get(name, ""))] for name, value in about.metrics.items()],
        "t": _short(recording.t_s, _STAMP),
        "robot": {**_box(recording.robot), **_track(recording.poses)},
        "map": {
            "picture": _url("image/svg+xml", recording.ground.svg),
            "left": recording.ground.left_m,
            "bottom": recording.ground.bottom_m,
            "width": recording.ground.width_m,
            "height": recording.ground.height_m,
        },
        "film": {
            "t": _short(np.array([t_s for t_s, _ in recording.film]), _STAMP),
            "jpeg": [base64.b64encode(file).decode("ascii") for _, file in recording.film],
        },
        "movers": [
            {"name": each.name, "kind": each.kind, **_box(each.box), **_track(each.poses)}
            for each in recording.movers
        ],
        "lights": [
            {"pose": list(each.pose), "halfWidth": each.half_width_m, "states": each.states.tolist()}
            for each in recording.lights
        ],
        "marks": [
            {
                "kind": mark.kind.replace("_", " "),
                "t": round(mark.t_s, _STAMP),
                "x": mark.pose[0],
                "y": mark.pose[1],
                "words": mark.words,
            }
            for mark in recording.marks
        ],
        "plots": [_plot(recording, view) for view in recording.views],
    }


def _facts(recording: Recording) -> Mapping[str, str]:
    about, source = recording.about, recording.about.provenance
    return {
        "Policy": about.policy,
        "Ended": about.reason,
        "Simulator": about.simulator,
        "Map": str(about.world.get("map", "")),
        "Suite": about.suite,
        "Suite's digest": about.suite_digest,
        "Latency": about.latency,
        "Version": f"rilaas {source.version}",
        "Commit": source.commit or "not run from a clone",
        "Command": source.command,
        "Made": source.created_utc,
    }


def _plot(recording: Recording, view: View) -> dict[str, Any]:
    series = []
    for name in view.signals:
        signal = recording.signal(name)
        own = not np.array_equal(signal.t_s, recording.t_s)
        values = _short(signal.values * view.factor, _VALUE)
        series.append({"name": name, "t": _short(signal.t_s, _STAMP) if own else None, "v": values})
    limit = None if view.limit is None else view.limit * view.factor
    shape = {"title": view.title, "unit": view.unit, "style": view.style}
    return {**shape, "limit": limit, "limitWords": view.limit_words, "series": series}


def _box(box: Box) -> dict[str, float]:
    return {"length": box.length_m, "width": box.width_m, "ahead": box.middle_ahead_m}


def _track(poses: Floats) -> dict[str, list[float | None]]:
    stands = bool((poses == poses[0]).all())
    return {name: _short(poses[: 1 if stands else None, k], _PLACE) for k, name in enumerate(("x", "y", "heading"))}


def _short(values: Floats, decimals: int) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in np.round(values, decimals).tolist()]


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}" if data else ""
