"""Servers that come, move and go with the fleet's table, without a request in flight being dropped."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from rilaas.core import RilaasError
from rilaas.route.access import AccessSource
from rilaas.route.fleet import Fleet, FleetServer
from rilaas.route.interceptor import Interceptor
from rilaas.route.remote import RemoteUpstream
from rilaas.route.upstream import Distant, Server, Upstream

_log = logging.getLogger("rilaas.route")

LOOK_S = 0.1  # how often the table is looked at
DRAIN_S = 60.0  # how long requests in flight on a server that left may take


class FleetFollower:
    """Keeps an interceptor's servers as the table says; belongs to the interceptor's event loop.

    A server that moved is asked at its old address until the new one has been heard, so that none is missing.

    Args:
        interceptor: Whose servers they are.
        access: Where the table is.
        connect: Makes the way to a server; raises ``RilaasError`` where there is none that is safe.
    """

    def __init__(
        self, interceptor: Interceptor, access: AccessSource, connect: Callable[[FleetServer], RemoteUpstream]
    ) -> None:
        self._interceptor, self._access, self._connect = interceptor, access, connect
        self._seen: Fleet | None = None
        self._wanted: dict[str, FleetServer] = {}
        self._asked: dict[str, tuple[Server, RemoteUpstream]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect to what the table names now, and follow it."""
        self._look()
        await asyncio.gather(*self._tasks)
        self._spawn(self._follow())

    async def stop(self) -> None:
        """Hang up on all of them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(remote.stop() for _, remote in self._asked.values()))
        self._asked.clear()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self._look()

    def _look(self) -> None:
        fleet = self._access.fleet()
        if fleet is None or fleet is self._seen:
            return
        self._seen = fleet
        self._interceptor.balancers.try_again()
        for name in [name for name in self._wanted if name not in fleet.servers]:
            del self._wanted[name]
            self._leave(name)
        for name, row in fleet.servers.items():
            if self._wanted.get(name) != row:
                self._wanted[name] = row
                self._spawn(self._join(row))

    async def _join(self, row: FleetServer) -> None:
        known = self._interceptor.servers.get(row.name)
        if known is not None and known.is_fixed:
            _log.error("server %s of the fleet has the name of one that is configured here; it is left out", row.name)
            return
        try:
            remote = self._connect(row)
        except RilaasError as error:
            _log.error("server %s of the fleet is left out: %s", row.name, error)
            self._leave(row.name)  # where it was before, it is no more
            return
        try:
            await remote.start()
        except BaseException:
            await remote.stop()
            raise
        if self._wanted.get(row.name) is not row:  # it has moved again, or is gone
            await remote.stop()
            return
        upstream: Upstream = Distant(remote, row.added_delay_s) if row.added_delay_s else remote
        server = Server(row.name, row.kind, upstream, is_fixed=False, weight=row.weight)
        replaced = self._asked.get(row.name)
        self._interceptor.add(server)
        self._asked[row.name] = (server, remote)
        _log.info("server %s (%s) is at %s", row.name, row.kind, row.address)
        if replaced is not None:
            self._spawn(self._drain(*replaced))

    def _leave(self, name: str) -> None:
        left = self._asked.pop(name, None)
        if left is not None:
            self._interceptor.remove(left[0])
            _log.info("server %s is asked no more", name)
            self._spawn(self._drain(*left))

    async def _drain(self, server: Server, remote: RemoteUpstream) -> None:
        try:
            end = asyncio.get_running_loop().time() + DRAIN_S
            while server.in_flight.total() and asyncio.get_running_loop().time() < end:
                await asyncio.sleep(LOOK_S)
        finally:
            await remote.stop()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
