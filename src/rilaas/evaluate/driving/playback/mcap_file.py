"""A recording as an MCAP file with Foxglove's schemas as JSON, for Foxglove, PlotJuggler and every reader of MCAP.

Topics: ``/camera`` (CompressedImage), ``/tf`` (FrameTransform of the robot and of everybody else in ``map``),
``/robot/pose`` (PoseInFrame), ``/scene`` (SceneUpdate: lanes and bodies, once), ``/lights`` (SceneUpdate),
``/infractions`` (Log) and ``/signals/NAME`` (a number each). Every stamp is simulated time from 0 on.
Source of the schemas' fields: Foxglove's documentation of its message schemas.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, MissingDependency
from rilaas.evaluate.driving.playback.body_look import COLOURS, LAMPS, OTHER, RGB, TALL_M
from rilaas.report.playback import Box, Recording

try:
    from mcap.writer import Writer
except ModuleNotFoundError:
    raise MissingDependency(
        "Writing MCAP needs the package mcap.", "Install it: pip install 'rilaas[recording]'."
    ) from None

_ROBOT, _MAP = "robot", "map"
_ERROR = 4  # of foxglove.Log
_LINE_STRIP = 0

_TIME = {"type": "object", "properties": {"sec": {"type": "integer"}, "nsec": {"type": "integer"}}}
_VECTOR = {"type": "object", "properties": {axis: {"type": "number"} for axis in "xyz"}}
_QUATERNION = {"type": "object", "properties": {axis: {"type": "number"} for axis in "xyzw"}}
_POSE = {"type": "object", "properties": {"position": _VECTOR, "orientation": _QUATERNION}}
_TEXT = {"type": "string"}
_SCHEMAS: Mapping[str, Mapping[str, Any]] = {
    "foxglove.CompressedImage": {
        "timestamp": _TIME,
        "frame_id": _TEXT,
        "data": {"type": "string", "contentEncoding": "base64"},
        "format": _TEXT,
    },
    "foxglove.FrameTransform": {
        "timestamp": _TIME,
        "parent_frame_id": _TEXT,
        "child_frame_id": _TEXT,
        "translation": _VECTOR,
        "rotation": _QUATERNION,
    },
    "foxglove.PoseInFrame": {"timestamp": _TIME, "frame_id": _TEXT, "pose": _POSE},
    "foxglove.Log": {
        "timestamp": _TIME,
        "level": {"type": "integer"},
        "message": _TEXT,
        "name": _TEXT,
        "file": _TEXT,
        "line": {"type": "integer"},
    },
    "foxglove.SceneUpdate": {
        "deletions": {"type": "array", "items": {"type": "object"}},
        "entities": {"type": "array", "items": {"type": "object"}},
    },
    "rilaas.Number": {"timestamp": _TIME, "value": {"type": "number"}, "unit": _TEXT},
}


def write_mcap(recording: Recording, path: Path) -> None:
    """Write a recording as MCAP.

    Args:
        recording: What to write.
        path: Where to; a file there is replaced.

    Raises:
        InvalidInput: The file cannot be written.
    """
    messages = sorted(_messages(recording), key=lambda message: message[0])
    try:
        with path.open("wb") as file:
            writer = Writer(file)
            writer.start(profile="", library="rilaas")
            _write(writer, recording, messages)
            writer.finish()  # type: ignore[no-untyped-call]
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None


_Message = tuple[int, str, str, Mapping[str, Any]]  # stamp [ns], topic, schema, content


def _write(writer: Writer, recording: Recording, messages: list[_Message]) -> None:
    schemas: dict[str, int] = {}
    channels: dict[str, int] = {}
    for stamp_ns, topic, schema, content in messages:
        if schema not in schemas:
            shape = {"title": schema, "type": "object", "properties": _SCHEMAS[schema]}
            schemas[schema] = writer.register_schema(schema, "jsonschema", json.dumps(shape).encode())
        if topic not in channels:
            channels[topic] = writer.register_channel(topic, "json", schemas[schema])
        data = json.dumps(content, allow_nan=False, separators=(",", ":")).encode()
        writer.add_message(channels[topic], stamp_ns, data, stamp_ns)
    about, source = recording.about, recording.about.provenance
    facts = {
        "policy": about.policy,
        "scenario": about.scenario,
        "seed": str(about.seed),
        "world": json.dumps(about.world),
        "suite": about.suite,
        "suite_digest": about.suite_digest,
        "latency": about.latency,
        "simulator": about.simulator,
        "status": about.status,
        "reason": about.reason,
        "version": source.version,
        "commit": source.commit,
        "command": source.command,
        "created_utc": source.created_utc,
    }
    writer.add_metadata("rilaas", facts)
    metrics = {name: repr(value) for name, value in about.metrics.items()}
    writer.add_metadata("rilaas.metrics", metrics)


def _messages(recording: Recording) -> Iterator[_Message]:
    yield from _scene(recording)
    for t_s, jpeg in recording.film:
        image = {"frame_id": _ROBOT, "data": base64.b64encode(jpeg).decode("ascii"), "format": "jpeg"}
        yield _at(t_s, "/camera", "foxglove.CompressedImage", image)
    tracks = [(_ROBOT, recording.poses), *((each.name, each.poses) for each in recording.movers)]
    for k, t_s in enumerate(recording.t_s.tolist()):
        for name, poses in tracks:
            place, turn = _place(poses[k])
            frames = {"parent_frame_id": _MAP, "child_frame_id": name}
            yield _at(t_s, "/tf", "foxglove.FrameTransform", {**frames, "translation": place, "rotation": turn})
            if name == _ROBOT:
                pose = {"frame_id": _MAP, "pose": {"position": place, "orientation": turn}}
                yield _at(t_s, "/robot/pose", "foxglove.PoseInFrame", pose)
    yield from _lights(recording)
    for mark in recording.marks:
        words = f"{mark.kind.replace('_', ' ')} {mark.words}".strip()
        log = {"level": _ERROR, "message": words, "name": mark.kind, "file": "", "line": 0}
        yield _at(mark.t_s, "/infractions", "foxglove.Log", log)
    for signal in recording.signals:
        for t_s, value in zip(signal.t_s.tolist(), signal.values.tolist(), strict=True):
            if math.isfinite(value):
                yield _at(t_s, f"/signals/{signal.name}", "rilaas.Number", {"value": value, "unit": signal.unit})


def _at(t_s: float, topic: str, schema: str, content: Mapping[str, Any]) -> _Message:
    stamp_ns = round(1e9 * t_s)
    return stamp_ns, topic, schema, {"timestamp": _time(stamp_ns), **content}


def _time(stamp_ns: int) -> dict[str, int]:
    return {"sec": stamp_ns // 10**9, "nsec": stamp_ns % 10**9}


def _scene(recording: Recording) -> Iterator[_Message]:
    lines = [
        {
            "type": _LINE_STRIP,
            "pose": _still(),
            "thickness": 0.012,
            "scale_invariant": False,
            "points": [{"x": x, "y": y, "z": 0.0} for x, y in lane.tolist()],
            "color": _colour((153, 161, 173)),
            "colors": [],
            "indices": [],
        }
        for lane in recording.lanes
    ]
    entities = [_entity("lanes", _MAP, lines=lines), _body(_ROBOT, recording.robot, (255, 255, 255))]
    entities += [_body(each.name, each.box, COLOURS.get(each.kind, OTHER)) for each in recording.movers]
    yield 0, "/scene", "foxglove.SceneUpdate", {"deletions": [], "entities": entities}


def _lights(recording: Recording) -> Iterator[_Message]:
    """Every change of a light, as a lamp to the right of its lane."""
    for number, light in enumerate(recording.lights):
        x, y, heading = light.pose
        side = light.half_width_m + 0.05
        place = (x + side * math.sin(heading), y - side * math.cos(heading), heading)
        before = -1
        for t_s, state in zip(recording.t_s.tolist(), light.states.tolist(), strict=True):
            if state != before:
                lamp = _cube(place, (0.06, 0.06, 2 * TALL_M), LAMPS[state % len(LAMPS)])
                entity = _entity(f"light-{number}", _MAP, cubes=[lamp], stamp_ns=round(1e9 * t_s))
                content = {"deletions": [], "entities": [entity]}
                yield round(1e9 * t_s), "/lights", "foxglove.SceneUpdate", content
            before = state


def _body(frame: str, box: Box, colour: RGB) -> dict[str, Any]:
    cube = _cube((box.middle_ahead_m, 0.0, 0.0), (box.length_m, box.width_m, TALL_M), colour)
    return _entity(frame, frame, cubes=[cube])


def _entity(name: str, frame: str, *, stamp_ns: int = 0, **shapes: Any) -> dict[str, Any]:
    entity = {"timestamp": _time(stamp_ns), "frame_id": frame, "id": name, "lifetime": _time(0)}
    empty: dict[str, Any] = {kind: [] for kind in ("metadata", "arrows", "cubes", "spheres", "cylinders", "lines")}
    return {**entity, "frame_locked": True, **empty, "triangles": [], "texts": [], "models": [], **shapes}


def _cube(pose: tuple[float, float, float], size: tuple[float, float, float], colour: RGB) -> dict[str, Any]:
    place, turn = _place(pose)
    place["z"] = 0.5 * size[2]
    extent = dict(zip("xyz", size, strict=True))
    return {"pose": {"position": place, "orientation": turn}, "size": extent, "color": _colour(colour)}


def _place(pose: Any) -> tuple[dict[str, float], dict[str, float]]:
    x, y, heading = (float(value) for value in pose)
    turn = {"x": 0.0, "y": 0.0, "z": math.sin(0.5 * heading), "w": math.cos(0.5 * heading)}
    return {"x": x, "y": y, "z": 0.0}, turn


def _still() -> dict[str, Any]:
    position, orientation = _place((0.0, 0.0, 0.0))
    return {"position": position, "orientation": orientation}


def _colour(colour: RGB) -> dict[str, float]:
    return {**{name: part / 255.0 for name, part in zip("rgb", colour, strict=True)}, "a": 1.0}
