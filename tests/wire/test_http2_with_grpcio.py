"""The client's own gRPC stream against grpcio's server."""

import asyncio
import socket
import threading

import grpc.aio
import pytest

from rilaas.wire.http2 import GrpcStream

PATH = "/test.Echo/Stream"


@pytest.fixture
def echo(request):
    """The port of a grpcio server that sends every message back; the parameter are its options."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    options += getattr(request, "param", [])
    loop = asyncio.new_event_loop()

    async def stream(messages, context):
        seen = dict(context.invocation_metadata())
        async for body in messages:
            yield seen["authorization"].encode() if body == b"who am I" else body

    async def start():
        server = grpc.aio.server(options=options)
        method = grpc.stream_stream_rpc_method_handler(stream)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Stream": method}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result()
    yield port

    async def stop():
        await server.stop(1)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def exchange(port, bodies, **options):
    """Send all messages, then read until each has been answered."""
    stream = GrpcStream(f"127.0.0.1:{port}", PATH, **options)
    got = []
    with socket.create_connection(("127.0.0.1", port)) as connection:
        for body in bodies:
            stream.send(body)
        while len(got) < len(bodies):
            while out := stream.outgoing():
                connection.sendall(b"".join(out))
            received = connection.recv(2**16)
            assert received, stream.end
            got += stream.receive(received)
            assert not stream.end
        stream.close()
        connection.sendall(b"".join(stream.outgoing()))
    return got


TINY = [("grpc.http2.lookahead_bytes", 1), ("grpc.http2.bdp_probe", 0), ("grpc.http2.max_frame_size", 16_384)]
LARGE = [("grpc.http2.lookahead_bytes", 2**22), ("grpc.http2.max_frame_size", 2**22)]


@pytest.mark.parametrize("echo", [[], TINY, LARGE], indirect=True, ids=["default", "tiny windows", "large windows"])
def test_grpcio_sends_back_20_megabytes_and_many_small_messages(echo):
    bodies = [bytes([number % 256]) * (number * 37 % 5000) for number in range(300)]
    bodies[150:150] = [bytes(range(256)) * 80_000, b""]
    assert exchange(echo, bodies) == bodies


@pytest.mark.parametrize("size", [10, 500, 5000])
def test_grpcio_reads_the_token(echo, size):
    assert exchange(echo, [b"who am I"], token="t" * size) == [b"Bearer " + b"t" * size]
