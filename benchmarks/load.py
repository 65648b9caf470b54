"""A closed-loop load generator: callers in their own processes, so that Python's lock is not what is measured.

Run by ``serving.py``; alone: python benchmarks/load.py '{"kind": "unary", ...}' prints the round trips as JSON.
"""

import functools
import json
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import numpy as np

from rilaas.client import EmbeddedTransport, RobotClient
from rilaas.wire import METHODS, decode_response, encode_request, load_private_key, sign_token

INPUT = np.random.default_rng(0).standard_normal((1, 3, 66, 200)).astype(np.float32)  # 158,400 bytes


def unary(target):
    """A call per request over the generated-stub way of Python gRPC."""
    channel = grpc.insecure_channel(target["address"], [("grpc.max_receive_message_length", 64 * 2**20)])
    call = channel.unary_unary(METHODS["ModelInfer"].path)

    def ask():
        body = encode_request(target["model"], target["version"], {"input": INPUT}, request_id="1")
        return decode_response(call(body, timeout=60)).tensors["command"]

    return ask


def triton(target):
    """The Open Inference Protocol client of the Triton project, one call per request."""
    import tritonclient.grpc as client

    tls = {}
    headers = None
    if "key" in target:
        tls = {"ssl": True, "root_certificates": target["ca"]}
        token = sign_token(load_private_key(target["key"]), f"rilaas://{target['address'].split(':')[0]}")
        headers = {"authorization": f"Bearer {token}"}
    stub = client.InferenceServerClient(target["address"], **tls)

    def ask():
        tensor = client.InferInput("input", list(INPUT.shape), "FP32")
        tensor.set_data_from_numpy(INPUT)
        result = stub.infer(target["model"], [tensor], model_version=target["version"], headers=headers)
        return result.as_numpy("command")

    return ask


def robot(target):
    """RobotClient on its stream; TLS and a token where the target has a key."""
    if "key" in target:
        policy = RobotClient(target["address"], target["model"], target["version"], target["key"], target["ca"])
    else:
        from rilaas.client import StreamTransport

        policy = RobotClient.over(StreamTransport(target["address"], None), target["model"], target["version"])
    return lambda: policy.predict({"input": INPUT})["command"]


@functools.cache
def interceptor(config, key):
    """One for all callers of this process, with replicas of its own."""
    return EmbeddedTransport(config, key)


def embedded(target):
    """RobotClient with the interceptor inside its process."""
    policy = RobotClient.over(interceptor(target["config"], target["key"]), target["model"], target["version"])
    return lambda: policy.predict({"input": INPUT})["command"]


KINDS = {"unary": unary, "triton": triton, "robot": robot, "embedded": embedded}


def drive(target, callers, calls):
    """Let ``callers`` threads ask ``calls`` times each, each on a connection of its own.

    Returns:
        Round trips [s] of all, and the seconds that the whole took.
    """
    asks = [KINDS[target["kind"]](target) for _ in range(callers)]
    for ask in asks:
        for _ in range(5):
            assert ask().shape == (1, 2)
    barrier = threading.Barrier(callers + 1)

    def one(ask):
        barrier.wait()
        spent = []
        for _ in range(calls):
            start = time.perf_counter()
            ask()
            spent.append(time.perf_counter() - start)
        return spent

    with ThreadPoolExecutor(callers) as pool:
        futures = [pool.submit(one, ask) for ask in asks]
        print("warm", flush=True)
        sys.stdin.readline()  # all processes begin together
        barrier.wait()
        start = time.perf_counter()
        spent = [seconds for future in futures for seconds in future.result()]
    return spent, time.perf_counter() - start


if __name__ == "__main__":
    plan = json.loads(sys.argv[1])
    spent, seconds = drive(plan["target"], plan["callers"], plan["calls"])
    print(json.dumps({"round_trips_s": spent, "seconds": seconds}), flush=True)
    if plan["target"]["kind"] == "embedded":
        interceptor(plan["target"]["config"], plan["target"]["key"]).close()
    os._exit(0)  # the connections need no farewell
