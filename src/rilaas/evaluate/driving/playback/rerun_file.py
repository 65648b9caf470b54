"""A recording as a Rerun file (``.rrd``), with a layout: camera, the map in 3D, signals and infractions.

Entities: ``camera``, ``map/lanes``, ``map/robot``, ``map/NAME`` for everybody else, ``map/lights/K``, ``map/way``,
``infractions`` and ``signals/NAME``. The only timeline is ``sim_time``, from 0 on.
"""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, MissingDependency
from rilaas.evaluate.driving.playback.body_look import COLOURS, LAMPS, OTHER, TALL_M
from rilaas.report.playback import Box, Recording

try:
    import rerun as rr
    import rerun.blueprint as rrb
except ModuleNotFoundError:
    raise MissingDependency(
        "Writing .rrd needs the package rerun-sdk.", "Install it: pip install 'rilaas[recording]'."
    ) from None

TIMELINE = "sim_time"
_FAILED = (229, 32, 43)


def write_rrd(recording: Recording, path: Path) -> None:
    """Write a recording for Rerun: ``rerun FILE.rrd`` shows it.

    Args:
        recording: What to write.
        path: Where to; a file there is replaced.

    Raises:
        InvalidInput: The file cannot be written.
    """
    about = recording.about
    name = f"{about.scenario}, seed {about.seed}"
    # The same drive has the same name, so that opening it twice does not show it twice.
    identity = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps([about.policy, about.suite_digest, name, about.latency]))
    stream = rr.RecordingStream("rilaas", recording_id=str(identity))
    try:
        stream.save(path, default_blueprint=_layout(recording))
    except (OSError, RuntimeError) as error:
        raise InvalidInput(f"{path} cannot be written: {error}.") from None
    stream.send_recording_name(name)
    stream.log("about", rr.TextDocument(_words(recording), media_type="text/markdown"), static=True)
    _log_map(stream, recording)
    _log_film(stream, recording)
    for signal in recording.signals:
        kept = np.isfinite(signal.values)
        entity = f"signals/{signal.name}"
        if kept.any():
            _columns(stream, entity, signal.t_s[kept], rr.Scalars.columns(scalars=signal.values[kept]))
    _log_marks(stream, recording)
    stream.flush()
    stream.disconnect()


def _columns(stream: Any, entity: str, t_s: np.ndarray, *columns: Any) -> None:
    time = rr.TimeColumn(TIMELINE, duration=np.round(1e9 * t_s).astype("timedelta64[ns]"))
    stream.send_columns(entity, indexes=[time], columns=[part for each in columns for part in each])


def _log_map(stream: Any, recording: Recording) -> None:
    stream.log("map", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    lanes = [_on_ground(lane) for lane in recording.lanes]
    stream.log("map/lanes", rr.LineStrips3D(lanes, colors=[(150, 158, 168)], radii=[0.006]), static=True)
    way = rr.LineStrips3D([_on_ground(recording.poses[:, :2])], colors=[(111, 208, 255)], radii=[0.008])
    stream.log("map/way", way, static=True)
    _log_body(stream, "map/robot", recording.t_s, recording.poses, recording.robot, (255, 255, 255))
    for each in recording.movers:
        colour = COLOURS.get(each.kind, OTHER)
        _log_body(stream, f"map/{each.name}", recording.t_s, each.poses, each.box, colour)
    for number, light in enumerate(recording.lights):
        x, y, heading = light.pose
        side = light.half_width_m + 0.05  # to the right of its lane
        place = (x + side * np.sin(heading), y - side * np.cos(heading), 2 * TALL_M)
        entity = f"map/lights/{number}"
        stream.log(entity, rr.Points3D([place], radii=[0.04]), static=True)
        changes = np.flatnonzero(np.diff(light.states.astype(int), prepend=-1))
        colours = np.array(LAMPS, np.uint8)[light.states[changes] % len(LAMPS)]
        _columns(stream, entity, recording.t_s[changes], rr.Points3D.columns(colors=colours))


def _log_body(
    stream: Any, entity: str, t_s: np.ndarray, poses: np.ndarray, box: Box, colour: tuple[int, int, int]
) -> None:
    centre, half = (box.middle_ahead_m, 0.0, 0.5 * TALL_M), (0.5 * box.length_m, 0.5 * box.width_m, 0.5 * TALL_M)
    body = rr.Boxes3D(centers=[centre], half_sizes=[half], colors=[colour], fill_mode="solid")
    stream.log(entity, body, static=True)
    quaternions = np.zeros((len(poses), 4))
    quaternions[:, 2], quaternions[:, 3] = np.sin(0.5 * poses[:, 2]), np.cos(0.5 * poses[:, 2])
    moves = rr.Transform3D.columns(translation=_on_ground(poses[:, :2]), quaternion=quaternions)
    _columns(stream, entity, t_s, moves)


def _log_film(stream: Any, recording: Recording) -> None:
    if recording.film:
        t_s = np.array([stamp for stamp, _ in recording.film])
        files = [jpeg for _, jpeg in recording.film]
        pictures = rr.EncodedImage.columns(blob=files, media_type=["image/jpeg"] * len(files))
        _columns(stream, "camera", t_s, pictures)


def _log_marks(stream: Any, recording: Recording) -> None:
    if recording.marks:
        words = [f"{mark.kind.replace('_', ' ')} {mark.words}".strip() for mark in recording.marks]
        t_s = np.array([mark.t_s for mark in recording.marks])
        level = ["ERROR"] * len(words)
        _columns(stream, "infractions", t_s, rr.TextLog.columns(text=words, level=level))
        places = [(*mark.pose[:2], TALL_M) for mark in recording.marks]
        points = rr.Points3D(places, colors=[_FAILED], radii=[0.025], labels=words)
        stream.log("map/infractions", points, static=True)


def _layout(recording: Recording) -> Any:
    plots = [
        rrb.TimeSeriesView(name=view.title, contents=[f"/signals/{name}" for name in view.signals])
        for view in recording.views
    ]
    words = rrb.Tabs(rrb.TextLogView(origin="infractions"), rrb.TextDocumentView(origin="about"))
    left = rrb.Vertical(rrb.Spatial2DView(origin="camera"), rrb.Spatial3DView(origin="map"), words)
    return rrb.Blueprint(rrb.Horizontal(left, rrb.Vertical(*plots)), rrb.TimePanel(timeline=TIMELINE))


def _words(recording: Recording) -> str:
    about, source = recording.about, recording.about.provenance
    rows = {
        "policy": about.policy,
        "suite": f"{about.suite} ({about.suite_digest})",
        "ended": f"{about.status} {about.reason}",
        "latency": about.latency,
        "version": f"rilaas {source.version} {source.commit}",
        "command": f"`{source.command}`",
    }
    head = f"# {about.scenario}, seed {about.seed}\n\n"
    facts = "\n".join(f"- {name}: {value}" for name, value in rows.items())
    return f"{head}{facts}\n\n```json\n{json.dumps(about.world, indent=1)}\n```\n"


def _on_ground(points: np.ndarray) -> np.ndarray:
    return np.column_stack([points, np.zeros(len(points))])
