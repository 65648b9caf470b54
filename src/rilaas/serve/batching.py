"""Computing several requests at once.

After the first request others are gathered until the batch is full, the first has waited ``max_wait_s``, or the
earliest deadline leaves just time to compute. Requests of the same dtypes and sizes (but for the first axis) are
joined along the first axis, computed in one prediction, and cut apart again. Where that fails, each is computed
alone, so that one request cannot spoil another's answer.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rilaas.core import DeadlineExceeded, ModelFailed, Prediction, SignatureMismatch, Tensors
from rilaas.serve.answer import Answerer, told
from rilaas.serve.connection import Request
from rilaas.store import Batching
from rilaas.wire import InferRequest

_log = logging.getLogger("rilaas.serve.replica")

_SMOOTHING = 0.2  # weight of the newest duration in the estimate of how long a batch takes
_MARGIN = 2.0  # so many estimates, and the reserve, are kept free before the earliest deadline
_RESERVE_S = 0.002  # for decoding, encoding and the way back

Receive = Callable[[float], Sequence[Request]]


@dataclass(slots=True)
class _Row:
    """One request of a batch, decoded."""

    request: Request
    read: InferRequest
    rows: int


class Batcher:
    """Gathers requests and answers them together.

    Args:
        answerer: Answers what is alone.
        batching: Size and wait.
        predict_s: How long a prediction takes, roughly; corrected with every batch [s].
    """

    def __init__(self, answerer: Answerer, batching: Batching, predict_s: float = 0.0) -> None:
        self._answerer, self._batching = answerer, batching
        self._predict_s = predict_s
        self._gathering_at = time.monotonic()

    def gather(self, first: Sequence[Request], receive: Receive) -> list[Request]:
        """Wait for more requests.

        Args:
            first: What has come already.
            receive: Waits for at most so many seconds and returns what came meanwhile.
        """
        requests = list(first)
        self._gathering_at = time.monotonic()
        until = self._gathering_at + self._batching.max_wait_s
        while len(requests) < self._batching.max_size:
            earliest = min((request.deadline for request in requests), default=math.inf)
            reserve_s = _MARGIN * self._predict_s + _RESERVE_S
            left_s = min(until, earliest - reserve_s) - time.monotonic()
            requests += receive(max(0.0, left_s))
            if left_s <= 0.0:
                break
        return requests

    def answer(self, requests: Sequence[Request]) -> None:
        """Answer all of them, each with its own result or error."""
        start = time.monotonic()
        groups: dict[tuple[object, ...], list[_Row]] = {}
        for request in requests:
            if (row := self._read(request, start)) is not None:
                groups.setdefault(_key(row.read.tensors), []).append(row)
        for rows in groups.values():
            for batch in self._cut(rows):
                self._compute(batch)

    def _read(self, request: Request, start: float) -> _Row | None:
        try:
            read = self._answerer.read(request, start)
            self._answerer.policy.signature.check_inputs(read.tensors)
            sizes = {len(array) for array in read.tensors.values()}
            if len(sizes) != 1:
                raise SignatureMismatch(f"The inputs differ in their first axis: {sorted(sizes)}.")
        except Exception as error:
            self._answerer.send(request, told(error))
            return None
        return _Row(request, read, sizes.pop())

    def _cut(self, rows: list[_Row]) -> list[list[_Row]]:
        batches: list[list[_Row]] = []
        room = 0
        for row in rows:
            if row.rows > room:
                batches.append([])
                room = self._batching.max_size
            batches[-1].append(row)
            room -= row.rows
        return batches

    def _compute(self, batch: list[_Row]) -> None:
        if len(batch) == 1:
            self._alone(batch)
            return
        start = time.monotonic()
        try:
            joined = {
                name: np.concatenate([row.read.tensors[name] for row in batch]) for name in batch[0].read.tensors
            }
            prediction = self._answerer.policy.predict(joined)
            parts = _split(prediction, [row.rows for row in batch])
        except Exception as error:
            _log.warning("a batch of %d failed (%s); each is computed alone", len(batch), error)
            self._alone(batch)
        else:
            self._note(time.monotonic() - start)
            for row, part in zip(batch, parts, strict=True):
                self._send(row, part, start)

    def _alone(self, batch: list[_Row]) -> None:
        for row in batch:
            start = time.monotonic()
            try:
                if start >= row.request.deadline:
                    raise DeadlineExceeded("The deadline passed while others were computed.")
                prediction = self._answerer.policy.predict(row.read.tensors)
            except Exception as error:
                self._answerer.send(row.request, told(error))
                continue
            self._note(time.monotonic() - start)
            self._send(row, prediction, start)

    def _send(self, row: _Row, prediction: Prediction, start: float) -> None:
        try:
            if time.monotonic() > row.request.deadline:
                raise DeadlineExceeded("The model answered after the deadline.")
            body = self._answerer.encode(row.request, row.read, prediction, start, self._gathering_at)
        except Exception as error:
            self._answerer.send(row.request, told(error))
            return
        self._answerer.send(row.request, body)

    def _note(self, took_s: float) -> None:
        self._predict_s += _SMOOTHING * (took_s - self._predict_s)


def _key(tensors: Tensors) -> tuple[object, ...]:
    return tuple(sorted((name, array.dtype.str, array.shape[1:]) for name, array in tensors.items()))


def _split(prediction: Prediction, rows: list[int]) -> list[Prediction]:
    total = sum(rows)
    for name, array in prediction.items():
        if len(array) != total:
            raise ModelFailed(f"The model gave {len(array)} rows of {name!r} for {total} rows of input.")
    ends = np.cumsum(rows)[:-1]
    cut = {name: np.split(array, ends) for name, array in prediction.items()}
    return [
        Prediction({name: parts[index] for name, parts in cut.items()}, prediction.timing)
        for index in range(len(rows))
    ]
