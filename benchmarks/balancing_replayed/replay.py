"""Requests sent at given times, whatever becomes of those before them (open loop), and how each of them went."""

import asyncio
import time
from dataclasses import dataclass

import grpc
import grpc.aio
import numpy as np

from rilaas.wire import MAX_MESSAGE_BYTES, METHODS, decode_response, encode_request

from .place import example_inputs

TIMEOUT_S = 60.0
_COMPUTE = ("rilaas_preprocess_s", "rilaas_compute_s", "rilaas_postprocess_s")


@dataclass(frozen=True)
class Replayed:
    """One row per request, in the order of their arrivals.

    Attributes:
        model: (N,) int: index in the document's models.
        latency_s: (N,) float [s]: from sending to the answer; NaN where there was none.
        queue_s: (N,) float [s]: waiting for a replica, as the server says.
        service_s: (N,) float [s]: in the model, as the server says.
        server: (N,) str: who answered; '' where nobody did.
        lag_s: (N,) float [s]: how much later than planned it was sent.
    """

    model: np.ndarray
    latency_s: np.ndarray
    queue_s: np.ndarray
    service_s: np.ndarray
    server: np.ndarray
    lag_s: np.ndarray

    @property
    def network_s(self):
        """(N,) float [s]: what the server does not account for: the way, the balancer, both ends."""
        return self.latency_s - self.queue_s - self.service_s


def replay(way, at_s, model):
    """Send requests and wait for all answers.

    Args:
        way: Whom to ask.
        at_s: (N,) float [s]: when, from now; sorted.
        model: (N,) int: which, as an index in the document's models.
    """
    return replay_all([(way, at_s, model)])[0]


def replay_all(plans):
    """Several replays at the same time, each with the arguments of ``replay``."""

    async def both():
        return await asyncio.gather(*(_replay(*plan) for plan in plans))

    return asyncio.run(both())


async def _replay(way, at_s, model):
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
    bodies = [encode_request(name, "", inputs) for name, inputs in example_inputs().items()]
    async with grpc.aio.insecure_channel(way.address, options) as channel:
        await asyncio.wait_for(channel.channel_ready(), TIMEOUT_S)
        ask = channel.unary_unary(METHODS["ModelInfer"].path)
        start = time.monotonic() + 0.05

        async def one(planned_s, index):
            begun = time.monotonic()
            lag_s = begun - start - planned_s
            try:
                call = ask(bodies[index], timeout=TIMEOUT_S, metadata=way.metadata)
                reply = await call
                latency_s = time.monotonic() - begun
                told = decode_response(reply).parameters
                server = told.get("rilaas_server", "")
                if way.upstreams:
                    server = way.upstreams[dict(await call.initial_metadata())["rilaas-upstream"]]
                return latency_s, told["rilaas_queue_s"], sum(told[key] for key in _COMPUTE), server, lag_s
            except grpc.RpcError as error:
                return np.nan, np.nan, np.nan, f"!{error.code().name}: {error.details()}", lag_s

        tasks = []
        for planned_s, index in zip(at_s, model, strict=True):
            await asyncio.sleep(max(0.0, start + planned_s - time.monotonic()))
            tasks.append(asyncio.ensure_future(one(planned_s, index)))
        rows = await asyncio.gather(*tasks)
    latency_s, queue_s, service_s, server, lag_s = (np.array(column) for column in zip(*rows, strict=True))
    if failed := {name for name in server if name.startswith("!")}:
        raise RuntimeError(f"{sum(name.startswith('!') for name in server)} requests failed: {sorted(failed)[:3]}")
    return Replayed(np.asarray(model), latency_s, queue_s, service_s, server, lag_s)
