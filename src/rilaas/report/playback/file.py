"""A recording as one file: an ``.npz`` that NumPy reads as it is.

::

    about        JSON in UTF-8, (bytes,) uint8: who, what, bodies, lights, marks, names and units of the signals
    map_svg      (bytes,) uint8
    t_s, poses   (N,), (N, 3) float64
    film/jpeg    (bytes,) uint8, one file after the other; film/end: (F,) int64, where each ends; film/t_s: (F,)
    lanes/xy     (P, 2) float64 [m], lane after lane; lanes/end: (L,) int64, where each ends
    mover/K      (N, 3) float64: poses of mover number K
    light/K      (N,) uint8: states of light number K
    signal/NAME  (M,) float64; stamp/NAME: (M,) float64, only where they are not t_s

A file may come from a stranger: what it says is checked before anything is allocated, and nothing in it is run.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from tokenize import TokenError
from typing import Any

import numpy as np

from rilaas.core import InvalidInput
from rilaas.report.playback.recording import About, Box, Light, MapPicture, Mark, Mover, Recording, Signal, View
from rilaas.report.provenance import Provenance

SUFFIX = ".rilaas.npz"
MAX_FILE_BYTES = 64 * 2**20
_MAX_BYTES = 128 * 2**20  # of what is in it
_MAX_PART_BYTES = {"about": 8 * 2**20, "map_svg": 16 * 2**20, "film/jpeg": MAX_FILE_BYTES}
_MAX_MEMBERS = 2000
_MAX_STAMPS = 200_000
_MAX_LANES = 200_000
_MAX_SHOWN = 4_000_000  # values in all plots: a signal may be shown more than once
_FORMAT = 1
_KINDS = {
    **dict.fromkeys(("about", "map_svg", "film/jpeg", "light"), "u1"),
    **dict.fromkeys(("film/end", "lanes/end"), "i8"),
    **dict.fromkeys(("t_s", "poses", "film/t_s", "lanes/xy", "mover", "signal", "stamp"), "f8"),
}
"""Which numbers a part has, by its name or what its name begins with: read as they are, so that none is blown up."""
# What zipfile, NumPy and json raise at bytes that are not what they say; NumPy reads a header as Python's source.
_ERRORS = (
    *(zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, SyntaxError, TokenError),
    *(ValueError, TypeError, AttributeError, LookupError, ArithmeticError, MemoryError),
)
_JPEG = b"\xff\xd8\xff"


def write_recording(recording: Recording) -> bytes:
    """A recording as the bytes of its file; the same recording gives the same bytes."""
    about = asdict(recording.about)
    movers = [{"name": each.name, "kind": each.kind, "box": asdict(each.box)} for each in recording.movers]
    document = {
        "format": _FORMAT,
        "about": about,
        "robot": asdict(recording.robot),
        "ground": {name: value for name, value in _ground(recording.ground).items() if name != "svg"},
        "movers": movers,
        "lights": [{"pose": list(each.pose), "half_width_m": each.half_width_m} for each in recording.lights],
        "marks": [asdict(mark) for mark in recording.marks],
        "signals": [{"name": signal.name, "unit": signal.unit} for signal in recording.signals],
        "views": [asdict(view) for view in recording.views],
    }
    files = [file for _, file in recording.film]
    arrays: dict[str, Any] = {
        "about": _bytes(json.dumps(document, ensure_ascii=False, allow_nan=False).encode()),
        "map_svg": _bytes(recording.ground.svg),
        "t_s": np.asarray(recording.t_s, np.float64),
        "poses": np.asarray(recording.poses, np.float64),
        "film/jpeg": _bytes(b"".join(files)),
        "film/end": np.cumsum([len(file) for file in files], dtype=np.int64),
        "film/t_s": np.array([t_s for t_s, _ in recording.film], np.float64),
        "lanes/xy": np.concatenate([np.empty((0, 2)), *recording.lanes]),
        "lanes/end": np.cumsum([len(lane) for lane in recording.lanes], dtype=np.int64),
    }
    arrays |= {f"mover/{k}": np.asarray(each.poses, np.float64) for k, each in enumerate(recording.movers)}
    arrays |= {f"light/{k}": np.asarray(each.states, np.uint8) for k, each in enumerate(recording.lights)}
    for signal in recording.signals:
        arrays[f"signal/{signal.name}"] = np.asarray(signal.values, np.float64)
        if not np.array_equal(signal.t_s, recording.t_s):
            arrays[f"stamp/{signal.name}"] = np.asarray(signal.t_s, np.float64)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def read_recording(data: bytes) -> Recording:
    """Read what ``write_recording`` gave.

    Raises:
        InvalidInput: It is none, too large, or not consistent.
    """
    if len(data) > MAX_FILE_BYTES:
        raise InvalidInput(f"A recording has at most {MAX_FILE_BYTES // 2**20} MiB.")
    try:
        arrays = _arrays(data)
        document = json.loads(arrays["about"].tobytes())
        json.dumps(document, ensure_ascii=False).encode()  # half of a character could not be written again
        return _recording(document, arrays)
    except InvalidInput:
        raise
    except KeyError as error:
        raise _wrong(f"{error.args[0]} is missing") from None
    except _ERRORS as error:
        raise _wrong(str(error)) from None


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > _MAX_MEMBERS or sum(info.file_size for info in infos) > _MAX_BYTES:
            raise _wrong("there is too much in it")
        named = [(info.filename.removesuffix(".npy"), info) for info in infos]
        return {name: _array(archive, info, kind) for name, info in named if (kind := _kind_of(name))}


def _kind_of(name: str) -> str:
    """What numbers a part has; '' where it is none of ours."""
    return _KINDS.get(name) or _KINDS.get(name.partition("/")[0], "")


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo, kind: str) -> np.ndarray:
    limit = _MAX_PART_BYTES.get(info.filename.removesuffix(".npy"), _MAX_BYTES)
    if info.file_size > limit or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise _wrong(f"{info.filename!a} is too large, or packed in another way than ours")
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)  # no more than its directory says
    file = io.BytesIO(content)
    if np.lib.format.read_magic(file) != (1, 0):
        raise _wrong(f"{info.filename!a} is of another version of the format")
    shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if is_fortran or dtype.str[1:] != kind or len(shape) > 2 or min(shape, default=0) < 0:
        raise _wrong(f"{info.filename!a} is no array of a recording")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise _wrong(f"{info.filename!a} is cut off")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)


def _recording(document: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Recording:
    if document.get("format") != _FORMAT:
        raise _wrong(f"its format is {document.get('format')!r}; known is {_FORMAT}")
    t_s = _column(arrays["t_s"])
    if len(t_s) > _MAX_STAMPS:
        raise _wrong(f"it has {len(t_s)} stamps; at most {_MAX_STAMPS} are taken")
    views = tuple(map(_view, document["views"]))
    if sum(arrays[f"signal/{name}"].size for view in views for name in view.signals) > _MAX_SHOWN:
        raise _wrong(f"its plots have more than {_MAX_SHOWN} values")
    if len(document["signals"]) > _MAX_MEMBERS:
        raise _wrong(f"it has {len(document['signals'])} signals")
    return Recording(
        about=_about(document["about"]),
        t_s=t_s,
        poses=_floats(arrays["poses"]),
        robot=_box(document["robot"]),
        ground=MapPicture(arrays["map_svg"].tobytes(), **_numbers(document["ground"])),
        film=tuple(_film(arrays)),
        movers=tuple(
            Mover(str(each["name"]), str(each["kind"]), _box(each["box"]), _floats(arrays[f"mover/{k}"]))
            for k, each in enumerate(document["movers"])
        ),
        lights=tuple(
            Light(_pose(each["pose"]), float(each["half_width_m"]), arrays[f"light/{k}"])
            for k, each in enumerate(document["lights"])
        ),
        marks=tuple(
            Mark(str(each["kind"]), _finite(each["t_s"]), _pose(each["pose"]), str(each["words"]))
            for each in document["marks"]
        ),
        signals=tuple(
            Signal(
                str(each["name"]),
                _column(arrays.get(f"stamp/{each['name']}", t_s)),
                _column(arrays[f"signal/{each['name']}"]),
                str(each["unit"]),
            )
            for each in document["signals"]
        ),
        views=views,
        lanes=_lanes(arrays["lanes/xy"], arrays["lanes/end"]),
    )


def _about(row: Mapping[str, Any]) -> About:
    source = row["provenance"]
    words = {name: str(row[name]) for name in ("policy", "scenario", "suite", "suite_digest", "latency", "status")}
    return About(
        **words,
        seed=int(row["seed"]),
        world=dict(row["world"]),
        deadline_s=None if row["deadline_s"] is None else _finite(row["deadline_s"]),
        failed=bool(row["failed"]),
        reason=str(row["reason"]),
        metrics=_numbers(row["metrics"]),
        units={str(name): str(unit) for name, unit in row["units"].items()},
        provenance=Provenance(
            version=str(source["version"]),
            commit=str(source["commit"]),
            seeds=tuple(int(seed) for seed in source["seeds"]),
            machine={
                str(name): value if isinstance(value, int) else str(value)
                for name, value in source["machine"].items()
            },
            command=str(source["command"]),
            created_utc=str(source["created_utc"]),
        ),
        simulator=str(row.get("simulator", "")),
    )


def _view(row: Mapping[str, Any]) -> View:
    if row["limit"] is not None:
        _finite(_finite(row["limit"]) * _finite(row["factor"]))  # as it is shown
    return View(
        title=str(row["title"]),
        signals=tuple(str(name) for name in row["signals"]),
        unit=str(row["unit"]),
        factor=_finite(row["factor"]),
        style=str(row["style"]),
        limit=None if row["limit"] is None else _finite(row["limit"]),
        limit_words=str(row["limit_words"]),
    )


def _film(arrays: Mapping[str, np.ndarray]) -> list[tuple[float, bytes]]:
    if max(arrays["film/end"].size, arrays["film/t_s"].size) > _MAX_STAMPS:
        raise _wrong(f"it has more than {_MAX_STAMPS} pictures")
    data, ends, t_s = arrays["film/jpeg"].tobytes(), arrays["film/end"].tolist(), arrays["film/t_s"].tolist()
    if len(ends) != len(t_s) or ends != sorted(ends) or (ends or [0])[-1] != len(data):
        raise _wrong("its pictures do not fit their stamps")
    pictures = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    if not all(picture.startswith(_JPEG) for picture in pictures):
        raise _wrong("a picture in it is no JPEG")
    return list(zip(t_s, pictures, strict=True))


def _lanes(points: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, ...]:
    if end.ndim != 1 or len(end) > _MAX_LANES:
        raise _wrong(f"it has more than {_MAX_LANES} lanes")
    ends = end.tolist()
    if ends != sorted(ends) or (ends or [0])[0] < 0 or (ends or [0])[-1] != len(points):
        raise _wrong("its lanes do not fit their points")
    return tuple(np.split(_floats(points), ends)[:-1])


def _ground(ground: MapPicture) -> dict[str, Any]:
    return {name: getattr(ground, name) for name in ("svg", "left_m", "bottom_m", "width_m", "height_m")}


def _box(row: Mapping[str, Any]) -> Box:
    return Box(**_numbers(row))


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): _finite(value) for name, value in row.items()}


def _pose(values: Any) -> tuple[float, float, float]:
    x, y, heading = map(_finite, values)
    return x, y, heading


def _finite(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _column(array: np.ndarray) -> np.ndarray:
    if array.ndim != 1:
        raise ValueError("a column of it is no list of numbers")
    return _floats(array)


def _floats(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64, copy=False)


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8)


def _wrong(why: str) -> InvalidInput:
    return InvalidInput(f"This is no recording of a drive: {why[:200]}.", "Pass a file that --record wrote.")
