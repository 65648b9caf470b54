"""The interceptor's stream to another server: one call that the requests of all robots share."""

import asyncio
import time

import pytest

from rilaas.core import DeadlineExceeded, InvalidInput, RateLimited
from rilaas.route import remote
from rilaas.route.remote import RemoteUpstream
from rilaas.serve.front import Front
from rilaas.serve.service import ModelState, OpenGate
from rilaas.wire import MAX_MESSAGE_BYTES, encode_request, encode_response, peek
from rilaas.wire.field import varint

LARGE = b"\x32" + varint(4 * 2**20) + bytes(4 * 2**20)  # a field of raw contents, larger than HTTP/2's windows


def request(request_id):
    return encode_request("m", "", {}, request_id=request_id)


class Service:
    """Echoes ids; a request called ``slow`` waits until it is released."""

    def __init__(self):
        self.seen, self.release = [], asyncio.Event()

    async def infer(self, body, caller, deadline):
        self.seen.append(len(body))
        if len(self.seen) == 1:
            await self.release.wait()
        return encode_response("m", "1", {}, request_id=peek(body).request_id)

    def models(self, caller):
        return [ModelState("m", "1", True)]


def connected(action):
    async def run():
        service = Service()
        front = Front(service, OpenGate())
        port = await front.start("127.0.0.1:0", None)
        upstream = RemoteUpstream(f"127.0.0.1:{port}", None)
        await upstream.start()
        try:
            return await action(service, upstream)
        finally:
            service.release.set()
            await upstream.stop()
            await front.drain(5.0)

    return asyncio.run(run())


def soon(seconds):
    return time.monotonic() + seconds


def test_callers_that_leave_while_their_requests_are_written_do_not_disturb_the_others():
    async def ask(service, upstream):
        first = asyncio.ensure_future(upstream.infer(request("first"), None))
        while not service.seen:
            await asyncio.sleep(0.01)
        for _ in range(3):
            leaving = [asyncio.ensure_future(upstream.infer(request("large") + LARGE, None)) for _ in range(4)]
            await asyncio.sleep(0.002)
            for each in leaving:
                each.cancel()
            await asyncio.gather(*leaving, return_exceptions=True)
        service.release.set()
        return await asyncio.wait_for(first, 30.0)

    assert peek(connected(ask)).request_id == "first"


def test_a_request_for_which_nobody_waits_any_more_is_not_sent():
    async def ask(service, upstream):
        late = [upstream.infer(request("late") + LARGE, soon(0.0)) for _ in range(10)]
        refused = await asyncio.gather(*late, return_exceptions=True)
        assert [type(error) for error in refused] == 10 * [DeadlineExceeded]
        service.release.set()
        await upstream.infer(request("next"), soon(30.0))
        return service.seen

    assert all(size < len(LARGE) for size in connected(ask))


def test_a_request_that_the_server_would_end_the_stream_for_is_refused_before():
    async def ask(service, upstream):
        service.release.set()
        size = MAX_MESSAGE_BYTES - len(request("r")) - 5
        with pytest.raises(InvalidInput, match=f"too large; at most {MAX_MESSAGE_BYTES} are valid"):
            await upstream.infer(request("r") + b"\x32" + varint(size) + bytes(size), soon(30.0))
        assert not service.seen
        await upstream.infer(request("next"), soon(30.0))

    connected(ask)


def test_requests_that_pile_up_are_refused(monkeypatch):
    monkeypatch.setattr(remote, "MAX_QUEUED_BYTES", 8 * 2**20)

    async def ask(service, upstream):
        many = [upstream.infer(request(f"{k}") + LARGE, soon(5.0)) for k in range(20)]
        ended = await asyncio.gather(*many, return_exceptions=True)
        return [type(each) for each in ended].count(RateLimited)

    assert connected(ask) > 0
