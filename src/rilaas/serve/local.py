"""A ``Service`` whose models run in replicas on this machine."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rilaas.core import (
    DeadlineExceeded,
    InvalidInput,
    ModelFailed,
    ModelRef,
    NotFound,
    RilaasError,
    did_you_mean,
)
from rilaas.observe import Registry
from rilaas.serve.pool import Pool, ServedModel
from rilaas.serve.service import Caller, ModelState
from rilaas.serve.starting import all_or_none
from rilaas.wire import MAX_MESSAGE_BYTES, peek

_ADDED_BYTES = 4096  # what fronts and an interceptor add to an answer on its way


class LocalModels:
    """Model folders, each in its own replicas.

    Args:
        served: What to run; the last of several versions of a model is its default.
        registry: Where the metrics go.
    """

    def __init__(self, served: Sequence[ServedModel], registry: Registry | None = None) -> None:
        self._sockets = Path(tempfile.mkdtemp(prefix="rilaas-"))  # mode 700
        self.pools = [Pool(each, self._socket_folder(number)) for number, each in enumerate(served)]
        self._by_name: dict[str, Pool] = {pool.served.ref.model: pool for pool in self.pools}
        registry = registry or Registry()
        self._requests = registry.counter(
            "rilaas_serve_requests_total", "Requests answered, by outcome.", ("model", "version", "outcome")
        )
        self._seconds = registry.histogram(
            "rilaas_serve_request_seconds", "From the front to the answer of the replica.", ("model", "version")
        )
        ready = registry.gauge("rilaas_serve_model_ready", "1 while a replica can answer.", ("model", "version"))
        restarts = registry.gauge("rilaas_serve_replica_restarts", "Replicas that died.", ("model", "version"))
        for pool in self.pools:
            labels = {"model": pool.served.ref.model, "version": pool.served.ref.revision}
            ready.follow(partial(_is_ready, pool), **labels)
            restarts.follow(partial(_restarts, pool), **labels)

    def _socket_folder(self, number: int) -> Path:
        folder = self._sockets / str(number)
        folder.mkdir()
        return folder

    async def start(self) -> None:
        """Start all replicas side by side; if one model cannot load, none is left running."""
        try:
            await all_or_none([pool.start() for pool in self.pools])
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End all replicas."""
        await asyncio.gather(*(pool.stop() for pool in self.pools))
        shutil.rmtree(self._sockets, ignore_errors=True)

    async def infer(self, body: bytes, caller: Caller, deadline: float | None) -> bytes:
        """See ``Service.infer``."""
        seen = peek(body)
        pool = self._pool(seen.model, seen.version)
        ref = pool.served.ref
        start = time.monotonic()
        if deadline is not None and deadline <= start:
            raise DeadlineExceeded("The deadline had passed before the request reached the model.")
        outcome = "internal"
        try:
            reply = _checked(await pool.infer(body, deadline), ref)
            outcome = "ok"
            return reply
        except RilaasError as error:
            outcome = error.code
            raise
        finally:
            self._requests.inc(model=ref.model, version=ref.revision, outcome=outcome)
            self._seconds.observe(time.monotonic() - start, model=ref.model, version=ref.revision)

    async def metadata(self, model: str, version: str, caller: Caller) -> bytes:
        """See ``Service.metadata``."""
        return await self._pool(model, version).metadata()

    def models(self, caller: Caller) -> Sequence[ModelState]:
        """See ``Service.models``."""
        return [
            ModelState(pool.served.ref.model, pool.served.ref.revision, pool.ready, pool.reason)
            for pool in self.pools
        ]

    def _pool(self, model: str, version: str) -> Pool:
        pool = self._by_name.get(model)
        if pool is None:
            raise NotFound(f"No model {model!r} is served here.", did_you_mean(model, self._by_name))
        if not version:
            return pool
        versions = [each for each in self.pools if each.served.ref.model == model]
        for each in versions:
            if version == each.served.ref.revision or (len(version) >= 6 and each.digest.startswith(version)):
                return each
        raise NotFound(
            f"Model {model!r} has no version {version!r} here.",
            did_you_mean(version, [each.served.ref.revision for each in versions]),
        )


def _checked(reply: bytes, ref: ModelRef) -> bytes:
    """An answer that may be handed on: on a stream, one that is no message would break those of other models.

    A model's own code runs in its replica and may send what it likes.
    """
    if len(reply) > MAX_MESSAGE_BYTES - _ADDED_BYTES:
        raise ModelFailed(
            f"The model {ref} gave an answer of {len(reply)} bytes; at most {MAX_MESSAGE_BYTES} can be sent."
        )
    try:
        peek(reply)
    except InvalidInput as error:
        raise ModelFailed(f"The model {ref} gave an answer that is no message: {error.message}") from None
    return reply


def _is_ready(pool: Pool) -> float:
    return float(pool.ready)


def _restarts(pool: Pool) -> float:
    return float(pool.restarts)
