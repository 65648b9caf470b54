"""A policy that keeps what went through it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import MutableSequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from rilaas.core import InvalidInput, NotFound, Policy, Prediction, RilaasError, Signature, Tensors, Timing

FORMAT = 1
MAX_BYTES = 512 * 1024**2  # tensors held in memory before an episode's file is closed and a next one begun


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of ``predict``.

    Attributes:
        started_s: Since the recorder was made, on a monotonic clock [s].
        inputs: Copies of what was asked.
        outputs: What was answered; empty where it failed.
        timing: Where the time went.
        error: The error's code where it failed, else ''.
    """

    started_s: float
    inputs: Tensors
    outputs: Tensors
    timing: Timing = field(default_factory=Timing)
    error: str = ""


class Recorded:
    """Keep inputs, outputs and timings of every call, and hand everything on unchanged.

    Args:
        policy: Who answers.
        destination: A list that the calls are appended to; or a folder, where every ``reset`` and ``close`` ends an
            episode and writes it as ``episode-00001.npz`` (numbers go on after those that are there).
        max_bytes: Where a folder is written: tensors held before the file is closed early and a next one begun.
    """

    def __init__(
        self, policy: Policy, destination: Path | MutableSequence[Call], *, max_bytes: int = MAX_BYTES
    ) -> None:
        self._policy, self._max_bytes = policy, max_bytes
        self._folder = destination if isinstance(destination, Path) else None
        self._calls: MutableSequence[Call] = [] if isinstance(destination, Path) else destination
        self._bytes = 0
        self._start_s = time.monotonic()
        self._lock = threading.Lock()

    @property
    def signature(self) -> Signature:
        """That of the policy."""
        return self._policy.signature

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """See ``Policy.predict``; a failed call is recorded with its error's code."""
        started_s = time.monotonic() - self._start_s
        try:
            answer = self._policy.predict(inputs, deadline_s=deadline_s)
        except RilaasError as error:
            self._keep(Call(started_s, _copies(inputs), {}, error=error.code))
            raise
        self._keep(Call(started_s, _copies(inputs), _copies(answer), answer.timing))
        return answer

    def reset(self) -> None:
        """End the episode and reset the policy."""
        self.close()
        self._policy.reset()

    def close(self) -> None:
        """Write what is held; nothing where a list is filled or nothing was called."""
        with self._lock:
            self._write()

    def _keep(self, call: Call) -> None:
        with self._lock:
            self._calls.append(call)
            if self._folder is not None:
                self._bytes += sum(array.nbytes for array in (*call.inputs.values(), *call.outputs.values()))
                if self._bytes >= self._max_bytes:
                    self._write()

    def _write(self) -> None:
        if self._folder is None or not self._calls:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        numbers = [int(path.stem[8:]) for path in self._folder.glob("episode-*.npz") if path.stem[8:].isdigit()]
        write_episode(self._folder / f"episode-{max(numbers, default=0) + 1:05d}.npz", self._calls)
        self._calls, self._bytes = [], 0


def write_episode(path: Path, calls: MutableSequence[Call]) -> None:
    """Write calls as one .npz that needs no pickle.

    Args:
        path: The file; it appears when it is complete.
        calls: Call n becomes ``00000n/inputs/NAME`` and ``00000n/outputs/NAME``; ``calls`` is the rest as JSON.
    """
    arrays: dict[str, np.ndarray] = {}
    rows = []
    for i, call in enumerate(calls):
        for side, tensors in (("inputs", call.inputs), ("outputs", call.outputs)):
            for name, array in tensors.items():
                arrays.update(_plain_arrays(f"{i:06d}/{side}", name, array))
        rows.append({"started_s": call.started_s, "error": call.error, "timing": asdict(call.timing)})
    header = json.dumps({"format": FORMAT, "calls": rows}).encode()
    arrays["calls"] = np.frombuffer(header, np.uint8)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    partial.replace(path)


def read_episode(path: Path) -> list[Call]:
    """Read what ``Recorded`` wrote.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is not a recorded episode.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            header = json.loads(bytes(arrays["calls"]))
            if header["format"] != FORMAT:
                raise InvalidInput(f"{path} has format {header['format']}; this version reads {FORMAT}.")
            sides: list[dict[str, dict[str, np.ndarray]]] = [{"inputs": {}, "outputs": {}} for _ in header["calls"]]
            for key in arrays.files:
                number, _, side_and_name = key.partition("/")
                side, _, name = side_and_name.partition("/")
                if side in ("inputs", "outputs"):
                    lengths = f"{number}/{side}-lengths/{name}"
                    array = arrays[key]
                    sides[int(number)][side][name] = (
                        _bytes_array(array, arrays[lengths]) if lengths in arrays else array
                    )
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.") from None
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise InvalidInput(f"{path} is not a recorded episode: {error}.") from None
    return [
        Call(row["started_s"], side["inputs"], side["outputs"], Timing(**row["timing"]), row["error"])
        for row, side in zip(header["calls"], sides, strict=True)
    ]


def _copies(tensors: Tensors) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in tensors.items()}


def _plain_arrays(side: str, name: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """An array as arrays that need no pickle: BYTES become their joined bytes and the lengths in their shape."""
    if array.dtype.kind not in "OSU":
        return {f"{side}/{name}": array}
    values = [v.encode() if isinstance(v, str) else bytes(v) for v in array.ravel()]
    lengths = np.array([len(v) for v in values], np.int64).reshape(array.shape)
    return {f"{side}/{name}": np.frombuffer(b"".join(values), np.uint8), f"{side}-lengths/{name}": lengths}


def _bytes_array(joined: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    data, ends = joined.tobytes(), np.cumsum(lengths.ravel())
    array = np.empty(lengths.size, object)
    array[:] = [data[end - size : end] for size, end in zip(lengths.ravel(), ends, strict=True)]
    return array.reshape(lengths.shape)
