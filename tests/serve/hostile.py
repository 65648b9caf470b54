"""A model that does what it is sent: what an attacker's model would try, in a replica."""

import ast
import textwrap

import numpy as np

from rilaas.serve.isolation import launch
from tests.replica_client import ReplicaClient

# A model that evaluates the Python expression it is sent: what an attacker's model would try.
HOSTILE = """
    import ctypes, os, resource, socket, subprocess, sys
    import numpy as np

    def attempt(action):
        try:
            return action()
        except BaseException as error:
            return type(error).__name__

    class Model:
        def __init__(self, folder, session):
            self.folder = folder
        def predict(self, inputs):
            text = inputs["expression"][0].decode()
            answer = eval(text, globals(), {"folder": self.folder}) if text else None
            return {"answer": np.array([repr(answer).encode()], object)}
"""
TOML = """
    name = "hostile"
    task = "test"
    backend = "python"
    hooks = "hooks.py"
    [inputs.expression]
    datatype = "BYTES"
    shape = [1]
    [outputs.answer]
    datatype = "BYTES"
    shape = [1]
"""
MIB = 2**20


def write_hostile_model(folder):
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(textwrap.dedent(TOML))
    (folder / "hooks.py").write_text(textwrap.dedent(HOSTILE))
    return folder


class Hostile:
    """A hostile model in a replica, and the socket to it."""

    def __init__(self, tmp_path, kind, **options):
        self.folder = write_hostile_model(tmp_path / "model" / "hostile")
        self.replica = launch(self.folder, tmp_path / "hostile.sock", isolation=kind, **options)
        self.client = ReplicaClient(self.replica.socket_path)

    def __call__(self, expression):
        answer = self.client.predict({"expression": np.array([expression.encode()], object)})
        return ast.literal_eval(answer.tensors["answer"][0].decode())

    def close(self):
        self.client.sock.close()
        self.replica.stop()
