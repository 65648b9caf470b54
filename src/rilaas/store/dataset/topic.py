"""Samples from a robot's recording: one per image, with the newest of every other topic at that moment."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, MissingDependency, RilaasError
from rilaas.store.dataset.info import DatasetLimits, Sample
from rilaas.store.dataset.message import Definitions, decode_message, read_definitions
from rilaas.store.dataset.picture import decode_picture
from rilaas.store.dataset.recording import Message

_SKIPPED = {"header", "stamp", "timestamp", "layout"}  # when it was, and how a MultiArray is labelled
_EXPECTED = ("expected/", "outputs/")
_DEFINED = 64  # definitions that are kept read
# Encodings of sensor_msgs/Image: dtype, channels, order of the channels as RGB.
_ENCODINGS: Mapping[str, tuple[str, int, tuple[int, ...] | None]] = {
    "rgb8": ("u1", 3, (0, 1, 2)),
    "bgr8": ("u1", 3, (2, 1, 0)),
    "8UC3": ("u1", 3, (0, 1, 2)),
    "rgba8": ("u1", 4, (0, 1, 2)),
    "bgra8": ("u1", 4, (2, 1, 0)),
    "mono8": ("u1", 1, (0, 0, 0)),
    "8UC1": ("u1", 1, (0, 0, 0)),
    "mono16": ("u2", 1, None),
    "16UC1": ("u2", 1, None),
    "32FC1": ("f4", 1, None),
}


@dataclass(slots=True)
class _Topic:
    count: int
    before: dict[str, int]  # how many messages others had when this one began
    is_image: bool


def topic_samples(
    messages: Callable[[], Iterator[Message]], label: str, limits: DatasetLimits, notes: list[str]
) -> Iterator[Sample]:
    """Samples of a recording, which is read twice.

    Args:
        messages: Begins to read it.
        label: What it is called in errors.
        limits: How large an image may be.
        notes: What was left out or assumed is added here.

    Raises:
        InvalidInput: It has no topic that can be read, or a message is damaged.
    """
    topics = _survey(messages(), label, limits, notes)
    inputs = [name for name in topics if not _is_expected(name)]
    if not inputs:
        raise InvalidInput(
            f"{label} has no topic with images or numbers that can be read. {' '.join(notes)}",
            "Images are sensor_msgs/Image or CompressedImage; numbers may come in any message of ROS 2 or in JSON.",
        )
    lead = max(inputs, key=lambda name: (topics[name].is_image, topics[name].count))
    kept = {name for name in topics if name == lead or topics[name].before.get(lead, 0) <= topics[lead].count // 2}
    late = [f"The topic {name} was left out: it begins in the second half." for name in topics if name not in kept]
    notes += [f"A sample is a message of {lead} with the newest of every other topic.", *late]
    newest: dict[str, Message] = {}
    decoded: dict[str, tuple[Message, dict[str, np.ndarray]]] = {}
    for message in messages():
        if message.topic not in kept:
            continue
        newest[message.topic] = message
        if message.topic != lead or len(newest) < len(kept):
            continue
        for name, each in newest.items():
            if name not in decoded or decoded[name][0] is not each:
                decoded[name] = (each, _fields(each, f"{label}: a message of {name}", limits))
        yield _sample({name: fields for name, (_, fields) in decoded.items()})


def _survey(messages: Iterator[Message], label: str, limits: DatasetLimits, notes: list[str]) -> dict[str, _Topic]:
    """Which topics can be read, judged by the first message of each."""
    topics: dict[str, _Topic] = {}
    unread: set[str] = set()
    counts: dict[str, int] = {}
    for message in messages:
        name = message.topic
        if name in unread:
            continue
        counts[name] = counts.get(name, 0) + 1
        if name in topics:
            topics[name].count += 1
            continue
        if len(topics) + len(unread) >= 16 * limits.fields:
            raise InvalidInput(f"{label} has more than {16 * limits.fields} topics.")
        why = ""
        try:
            fields = _fields(message, "its first message", limits)
            if not fields:
                why = "it holds neither images nor numbers"
        except MissingDependency:
            raise
        except RilaasError as error:
            fields, why = {}, error.message.rstrip(".")
        if why:
            unread.add(name)
            notes.append(f"The topic {name[:100]} was left out: {why}.")
            continue
        is_image = any(array.ndim >= 2 for array in fields.values())
        topics[name] = _Topic(1, dict(counts), is_image)
    return topics


def _sample(by_topic: Mapping[str, Mapping[str, np.ndarray]]) -> Sample:
    inputs: dict[str, np.ndarray] = {}
    expected: dict[str, np.ndarray] = {}
    for topic in sorted(by_topic):
        name = topic.strip("/") or "topic"
        side = expected if _is_expected(topic) else inputs
        for start in _EXPECTED:
            name = name.removeprefix(start)
        for field, array in by_topic[topic].items():
            side[f"{name}/{field}" if field else name] = array
    return Sample(inputs, expected)


def _is_expected(topic: str) -> bool:
    return topic.strip("/").startswith(_EXPECTED)


def _fields(message: Message, where: str, limits: DatasetLimits) -> dict[str, np.ndarray]:
    """Arrays of a message by name; an image, or the only field, has the name ''."""
    kind = message.kind.replace("/msg/", "/").replace(".", "/").rpartition("/")[2]
    try:
        value = _decoded(message)
        if kind == "CompressedImage":
            return {"": decode_picture(_bytes(value["data"]), where, limits)}
        if kind == "Image":
            return {"": _image(value, limits)}
        fields = {name: _numbers(each) for name, each in value.items() if name not in _SKIPPED}
    except RilaasError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        what = f"{type(error).__name__}: {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidInput(f"{where} ({message.kind[:100] or 'of no type'}) cannot be read: {what}.") from None
    found = {name: np.concatenate(parts) for name, parts in fields.items() if parts}
    return {"": next(iter(found.values()))} if len(found) == 1 and set(value) - _SKIPPED == set(found) else found


def _decoded(message: Message) -> dict[str, Any]:
    if message.encoding == "json":
        value = json.loads(message.data)
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")
        return value
    if message.encoding != "cdr":
        raise ValueError(f"its encoding is {message.encoding[:40]!a}; cdr and json are read")
    return decode_message(message.kind, message.data, _definitions(message.kind, message.definition))


@lru_cache(_DEFINED)
def _definitions(kind: str, text: str) -> Definitions:
    return read_definitions(kind, text or _known_definition(kind))


def _known_definition(kind: str) -> str:
    """What ROS 2 itself defines, for recordings without definitions."""
    try:
        from rosbags.typesys import Stores, get_typestore
    except ImportError:
        raise MissingDependency(
            "Recordings without definitions of their messages are read by the package rosbags.",
            "Install it: pip install 'rilaas[hub]'.",
        ) from None
    store = get_typestore(Stores.LATEST)
    if kind not in store.fielddefs:
        raise ValueError("the recording has no definition of it in the format ros2msg")
    text, _ = store.generate_msgdef(kind, ros_version=2)
    return str(text)


def _image(value: Mapping[str, Any], limits: DatasetLimits) -> np.ndarray:
    encoding, height, width, step = value["encoding"], value["height"], value["width"], value["step"]
    if encoding not in _ENCODINGS:
        raise ValueError(f"its encoding is {str(encoding)[:40]!a}; valid are {', '.join(_ENCODINGS)}")
    if height * width > limits.pixels:
        raise ValueError(f"it has {width} x {height} pixels; at most {limits.pixels} are read")
    code, channels, order = _ENCODINGS[encoding]
    dtype = np.dtype(f"{'>' if value['is_bigendian'] else '<'}{code}")
    row = width * channels * dtype.itemsize
    data = _bytes(value["data"])
    if step < row or len(data) < height * step or not row:
        raise ValueError(f"{width} x {height} pixels of {encoding} do not fit its {len(data)} bytes")
    rows = np.frombuffer(data, np.uint8, height * step).reshape(height, step)[:, :row]
    pixels = np.ascontiguousarray(rows).view(dtype).reshape(height, width, channels)
    if order is None:
        return pixels[:, :, 0].astype(dtype.newbyteorder("="))
    return np.ascontiguousarray(pixels[:, :, list(order)])


def _bytes(value: Any) -> bytes:
    """Bytes of a field: an array of ``uint8``, or text in base 64 as JSON has it."""
    if isinstance(value, str):
        return base64.b64decode(value, validate=True)
    if isinstance(value, list):
        return bytes(value)
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        raise ValueError("its data are no bytes")
    return value.tobytes()


def _numbers(value: Any, depth: int = 0) -> list[np.ndarray]:
    """All numbers below a value as flat float64 arrays; texts and times are left out."""
    if depth > 16:
        raise ValueError("it is nested too deep")
    if isinstance(value, np.ndarray):
        return [value.astype(np.float64).ravel()]
    if isinstance(value, (bool, int, float)):
        return [np.array([value], np.float64)]
    if isinstance(value, list):
        if value and all(isinstance(each, (bool, int, float)) for each in value):
            return [np.array(value, np.float64)]
        return [part for each in value for part in _numbers(each, depth + 1)]
    if isinstance(value, dict):
        return [part for name, each in value.items() if name not in _SKIPPED for part in _numbers(each, depth + 1)]
    return []
