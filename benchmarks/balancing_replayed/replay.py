"""Requests sent at given times, whatever becomes of those before them (open loop), and how each of them went.

``Client`` is a process of its own, so that nothing else of the experiment delays what it sends: ``python replay.py``
reads plans, one line of JSON each, and answers with lines of JSON.
"""

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import grpc.aio
import numpy as np

from rilaas.wire import MAX_MESSAGE_BYTES, METHODS, decode_response, encode_request

from .place import example_inputs

TIMEOUT_S = 60.0
_COMPUTE = ("rilaas_preprocess_s", "rilaas_compute_s", "rilaas_postprocess_s")


@dataclass(frozen=True)
class Way:
    """Whom a client asks.

    Attributes:
        address: ``host:port``, in clear text.
        metadata: What goes with each call, by name.
        upstreams: Name of the server behind each address that nginx tells; empty where the answer names it itself.
    """

    address: str
    metadata: dict
    upstreams: dict


@dataclass(frozen=True)
class Replayed:
    """One row per request, in the order of their arrivals.

    Attributes:
        model: (N,) int: index in the document's models.
        latency_s: (N,) float [s]: from sending to the answer.
        queue_s: (N,) float [s]: waiting for a replica, as the server says.
        service_s: (N,) float [s]: in the model, as the server says.
        server: (N,) str: who answered.
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


class Client:
    """A process that sends requests; starts on ``with``, ends after it."""

    def __enter__(self):
        command = [sys.executable, "-m", "balancing_replayed.replay"]
        here = Path(__file__).resolve().parents[1]
        self._process = subprocess.Popen(
            command, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()

    def replay(self, *plans):
        """Send the requests of one plan or more, all at the same time, and wait for all answers.

        Args:
            plans: Each a ``Way``, at_s (N,) float [s] from now and sorted, model (N,) int.

        Raises:
            RuntimeError: A request was not answered.
        """
        told = [[asdict(way), np.asarray(at_s).tolist(), np.asarray(model).tolist()] for way, at_s, model in plans]
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        found = json.loads(line) if line else "the client ended"
        if isinstance(found, str):
            raise RuntimeError(found)
        return [Replayed(**{name: np.array(column) for name, column in each.items()}) for each in found]


async def _one(ask, body, way, planned_s, start):
    """One request; returns its row."""
    begun = time.monotonic()
    call = ask(body, timeout=TIMEOUT_S, metadata=tuple(way.metadata.items()))
    reply = await call
    latency_s = time.monotonic() - begun
    told = decode_response(reply).parameters
    server = told.get("rilaas_server", "")
    if way.upstreams:
        server = way.upstreams[dict(await call.initial_metadata())["rilaas-upstream"]]
    service_s = sum(told[key] for key in _COMPUTE)
    return latency_s, told["rilaas_queue_s"], service_s, server, begun - start - planned_s


async def _replay(way, at_s, model):
    options = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.use_local_subchannel_pool", 1)]
    bodies = [encode_request(name, "", inputs) for name, inputs in example_inputs().items()]
    async with grpc.aio.insecure_channel(way.address, options) as channel:
        await asyncio.wait_for(channel.channel_ready(), TIMEOUT_S)
        ask = channel.unary_unary(METHODS["ModelInfer"].path)
        start = time.monotonic() + 0.05
        tasks = []
        for planned_s, index in zip(at_s, model, strict=True):
            await asyncio.sleep(max(0.0, start + planned_s - time.monotonic()))
            tasks.append(asyncio.ensure_future(_one(ask, bodies[index], way, planned_s, start)))
        rows = await asyncio.gather(*tasks)
    names = ("latency_s", "queue_s", "service_s", "server", "lag_s")
    return {"model": model, **dict(zip(names, zip(*rows, strict=True), strict=True))}


async def _replay_all(plans):
    return await asyncio.gather(*(_replay(Way(**way), at_s, model) for way, at_s, model in plans))


def main():
    for line in sys.stdin:
        try:
            found = asyncio.run(_replay_all(json.loads(line)))
        except Exception as error:  # told to whoever asked
            found = f"{type(error).__name__}: {error}"
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
