"""One inference on each model that is new on a server, so that policies know it before robots ask."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from rilaas.balance import WARM_UP, Outcome, Request
from rilaas.core import RilaasError, Signature, Tensors
from rilaas.route.balancers import Balancers
from rilaas.route.fleet import Fleet
from rilaas.route.stage import read_stages
from rilaas.route.upstream import Server
from rilaas.serve.service import WARM_UP as PARAMETER
from rilaas.wire import decode_metadata, encode_request

_log = logging.getLogger("rilaas.route")

LOOK_S = 0.2  # how often it is looked for models that are new
DEADLINE_S = 10.0
_LARGEST_BYTES = 16 * 2**20


class WarmUps:
    """Warms up what is new; outside of robots' limits and of the metrics of requests.

    A model is asked once, with zeros, when it is first seen ready on a server that may be asked for it, and only
    where nobody else asks that server: neither through this interceptor nor, as far as the server says, through
    others. A server computes one warm-up at a time. A model that robots have asked is left alone, and a replica of
    ours forgets the warm-up: no robot's state is touched. Only an answer tells the policy something; a refusal does
    not count against the server.

    Args:
        servers: By name; they come and go.
        balancers: Whom to tell.
        fleet: The routing table in force.
    """

    def __init__(
        self, servers: Mapping[str, Server], balancers: Balancers, fleet: Callable[[], Fleet | None]
    ) -> None:
        self._servers, self._balancers, self._fleet = servers, balancers, fleet
        self._done: set[tuple[Server, str]] = set()  # one that moved is another server
        self._running: dict[Server, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look for what is new."""
        self._task = asyncio.ensure_future(self._keep_looking())

    async def stop(self) -> None:
        """End, and break off what is under way."""
        tasks = [task for task in (self._task, *self._running.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep_looking(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(LOOK_S)

    def look(self) -> None:
        """Begin a warm-up on each server that has something new and nothing to do."""
        fleet = self._fleet()
        known = set(self._servers.values())
        self._done = {each for each in self._done if each[0] in known}
        for server in self._servers.values():
            if server in self._running or server.in_flight or not server.breaker.allows():
                continue
            if server.report is not None and server.report.in_flight:
                continue
            model = self._next(server, fleet)
            if model is not None:
                self._done.add((server, model))
                task = self._running[server] = asyncio.ensure_future(self._warm_up(server, model, fleet))
                task.add_done_callback(partial(self._ended, server))

    def _ended(self, server: Server, task: asyncio.Task[None]) -> None:
        self._running.pop(server, None)

    def _next(self, server: Server, fleet: Fleet | None) -> str | None:
        for state in server.upstream.models():
            if not state.ready or (server, state.name) in self._done:
                continue
            route = fleet.models.get(state.name) if fleet is not None else None
            if not server.may_be_asked(route):
                continue
            if server.report is not None and server.report.arrivals.get(state.name):
                self._done.add((server, state.name))
                continue
            return state.name
        return None

    async def _warm_up(self, server: Server, model: str, fleet: Fleet | None) -> None:
        try:
            _, _, signature, _ = decode_metadata(await server.upstream.metadata(model, ""))
            inputs = zeros(signature)
            if inputs is None:
                return
            body = encode_request(model, "", inputs, request_id=WARM_UP, parameters={PARAMETER: True})
            start_s = time.monotonic()
            reply = await server.upstream.infer(body, start_s + DEADLINE_S)
        except RilaasError as error:
            _log.info("the warm-up of %s on %s was not answered: %s", model, server.name, error)
            return
        except Exception as error:  # what a model's metadata say is not ours
            _log.warning("the warm-up of %s on %s failed", model, server.name, exc_info=error)
            return
        now_s = time.monotonic()
        stages = read_stages(reply, now_s - start_s)
        queue_s, compute_s = (stages.queue_s, stages.compute_s) if stages else (None, None)
        request = Request(model, WARM_UP, DEADLINE_S, at_s=start_s)
        outcome = Outcome(request, server.name, "ok", now_s - start_s, queue_s, compute_s, now_s, server.report)
        self._balancers.of(fleet.models.get(model) if fleet is not None else None).observe(None, outcome)
        _log.info("%s on %s answers in %.1f ms", model, server.name, 1e3 * (now_s - start_s))


def zeros(signature: Signature) -> Tensors | None:
    """Inputs of zeros with 1 for every free axis; None where they would be too large, or are no numbers."""
    inputs = {}
    size_bytes = 0
    for name, spec in signature.inputs.items():
        shape = tuple(1 if size < 0 else size for size in spec.shape)
        if spec.dtype.hasobject:
            return None
        size_bytes += int(np.prod(shape, dtype=np.int64)) * spec.dtype.itemsize
        if size_bytes > _LARGEST_BYTES:
            return None
        inputs[name] = np.zeros(shape, spec.dtype)
    return inputs
