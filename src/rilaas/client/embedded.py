"""The interceptor inside the robot's process: no hop between the robot and the choice of a server."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from rilaas.core import DeadlineExceeded, InvalidInput, Unauthenticated, Unavailable
from rilaas.observe import Registry
from rilaas.route import RouteConfig, Running, read_route_config, start_interceptor
from rilaas.serve.service import Caller
from rilaas.wire import fingerprint, load_private_key

T = TypeVar("T")

START_TIMEOUT_S = 120.0


class EmbeddedTransport:
    """A whole interceptor in a thread of this process, asked without a network in between.

    The same access policy is in force as in an interceptor of its own; the robot is known by its key.

    Args:
        config: What the interceptor is told, or the path of its file.
        private_ssh_key_path: The robot's key, registered in the access policy.
        passphrase: Of the key.
        registry: Where the metrics go.
    """

    def __init__(
        self,
        config: RouteConfig | Path | str,
        private_ssh_key_path: Path | str,
        *,
        passphrase: str | None = None,
        registry: Registry | None = None,
    ) -> None:
        if not isinstance(config, RouteConfig):
            config = read_route_config(Path(config))
        kid = fingerprint(load_private_key(Path(private_ssh_key_path), passphrase).public)
        self._closing = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="rilaas-interceptor", daemon=True)
        self._thread.start()
        try:
            self._running: Running = self._run(start_interceptor(config, registry)).result(START_TIMEOUT_S)
        except BaseException:
            self._end_loop()
            raise
        try:
            found = self._running.access.find(kid)
            if found is None:
                where = config.access if config.hub is None else config.hub.url
                raise Unauthenticated(f"The key {kid} belongs to no robot of {where}.", "Add it there.")
        except BaseException:
            self.close()
            raise
        self._caller = Caller(found.robot.name, kid, "embedded")

    def call(self, request_id: str, body: bytes, deadline_s: float | None) -> bytes:
        """See ``Transport.call``."""
        reply = self.send(request_id, body, deadline_s)
        try:
            return reply.result(deadline_s)
        except concurrent.futures.TimeoutError:
            reply.cancel()
            raise DeadlineExceeded("No answer came before the deadline.") from None
        except concurrent.futures.CancelledError:
            raise Unavailable("The interceptor in this process was closed.") from None

    def send(self, request_id: str, body: bytes, deadline_s: float | None) -> concurrent.futures.Future[bytes]:
        """See ``Transport.send``."""
        deadline = None if deadline_s is None else time.monotonic() + deadline_s
        return self._run(self._running.interceptor.infer(body, self._caller, deadline))

    def metadata(self, model: str, version: str) -> bytes:
        """See ``Transport.metadata``."""
        return self._run(self._running.interceptor.metadata(model, version, self._caller)).result()

    def close(self) -> None:
        """See ``Transport.close``; ends the interceptor's own replicas."""
        with self._closing:
            if not self._loop.is_closed():
                self._run(self._stop()).result()
                self._end_loop()

    async def _stop(self) -> None:
        await self._running.stop()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        if self._loop.is_closed():
            work.close()
            raise InvalidInput("This client is closed.", "Make a new one.")
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
