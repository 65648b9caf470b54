"""A blocking client of a replica's socket for tests."""

import itertools
import math
import socket
import time

from rilaas.wire import FrameKind, FrameReader, decode_response, encode_request, pack_header, unpack_error


class ReplicaClient:
    """One connection to a replica."""

    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(30.0)
        try:
            self.sock.connect(str(path))
        except OSError:
            self.sock.close()
            raise
        self._numbers = itertools.count(1)
        self._reader = FrameReader()
        self._frames = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, body, *, kind=FrameKind.INFER, deadline=math.inf):
        """Send a frame; returns its call number."""
        number = next(self._numbers)
        self.sock.sendall(pack_header(kind, number, time.monotonic(), deadline, len(body)) + body)
        return number

    def receive(self):
        """The next answer: a frame. ConnectionError where the replica has hung up."""
        while not self._frames:
            data = self.sock.recv(65536)
            if not data:
                raise ConnectionError("the replica hung up")
            self._frames += self._reader.feed(data)
        return self._frames.pop(0)

    def frames(self, count):
        """The next answers, in order of their call numbers."""
        return sorted((self.receive() for _ in range(count)), key=lambda frame: frame.call)

    def result(self):
        """The next answer as a response; its error is raised."""
        frame = self.receive()
        if frame.kind is FrameKind.ERROR:
            raise unpack_error(frame.body)
        return decode_response(frame.body)

    def predict(self, tensors, *, deadline=math.inf, **options):
        """Ask and wait."""
        self.send(encode_request("model", "", tensors, **options), deadline=deadline)
        return self.result()
