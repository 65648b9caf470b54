"""A real front in this process with a service that does as it is told, and a network that can be cut."""

import asyncio
import contextlib
import socket
import threading
import time

import numpy as np

from rilaas.core import ModelFailed, NotFound, Signature, TensorSpec
from rilaas.route.access import Grant, Registered, RobotAccess
from rilaas.serve.front import Front
from rilaas.wire import decode_request, encode_metadata, encode_response

SIGNATURE = Signature({"x": TensorSpec("x", "FP32", (-1,))}, {"y": TensorSpec("y", "FP32", (-1,))})


class Doubler:
    """Answers y = 2 x; by the model's name at once (double), after x[0] seconds (slow) or never (broken)."""

    def __init__(self):
        self.asked = []
        self.answered = 0
        self.told = {}  # parameters of the answers

    async def infer(self, body, caller, deadline):
        request = decode_request(body)
        self.asked.append(request)
        if request.model == "slow":
            await asyncio.sleep(float(request.tensors["x"][0]))
        if request.model == "broken":
            raise ModelFailed("The model divides by zero.", "See its log.")
        SIGNATURE.check_inputs(request.tensors)
        self.answered += 1
        answer = {"y": 2 * request.tensors["x"]}
        return encode_response(request.model, "1", answer, request_id=request.request_id, parameters=self.told)

    async def metadata(self, model, version, caller):
        if model not in ("double", "slow", "broken"):
            raise NotFound(f"There is no model {model!r}.")
        return encode_metadata(model, ["1"], SIGNATURE, {})

    def models(self, caller):
        return []


class Access:
    """The access policy in force: one robot."""

    def __init__(self, key):
        self.register(key)

    def register(self, key):
        robot = RobotAccess("alice", {"*": Grant()})
        self.now = {key.fingerprint: Registered(robot, key)}

    def revoke(self):
        self.now = {}

    def find(self, kid):
        return self.now.get(kid)


class Server:
    """Fronts of one address, one after the other, on an event loop in a thread."""

    def __init__(self, service, gate, credentials):
        self.service, self.gate, self.credentials = service, gate, credentials
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever)
        self.thread.start()
        self.front, self.port = None, 0
        self.start()

    def run(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def start(self):
        self.run(self._start())

    async def _start(self):
        self.front = Front(self.service, self.gate)
        for _ in range(200):
            with contextlib.suppress(Exception):
                self.port = await self.front.start(f"127.0.0.1:{self.port}", self.credentials)
                return
            await asyncio.sleep(0.05)  # the port of the last front is not free yet

    def stop(self, grace_s=0.0):
        self.run(self.front.drain(grace_s))

    def close(self):
        self.stop()
        self.run(self._finish())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def _finish(self):
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"


class Network:
    """A TCP forwarder that can be cut (both ends see the connection break) or frozen (nobody hears anything)."""

    def __init__(self, port):
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.open, self.ends = threading.Event(), []
        self.connections = 0
        self.open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                self.connections += 1
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except OSError:
                    near.close()
                    continue
                self.ends += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self):
        ends, self.ends = self.ends, []
        for end in ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self):
        self.open.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


def x(*values):
    return {"x": np.array(values, np.float32)}


def eventually(condition, seconds=10.0):
    """Wait for what is about to happen in another thread."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not happened"
        time.sleep(0.005)
