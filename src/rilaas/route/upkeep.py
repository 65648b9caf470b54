"""What an interceptor does for its policies beside requests: show their guards, keep what they have learned."""

from __future__ import annotations

import asyncio
import contextlib
import time

from rilaas.observe import Gauge, Registry
from rilaas.route.balancers import Balancers
from rilaas.route.kept_state import KeptStates

SHOW_S = 1.0  # how often the figures of guards are looked at
WRITE_S = 60.0  # how often states are written


class Upkeep:
    """A task of the interceptor's event loop, where policies live.

    Args:
        balancers: The policies in use.
        registry: Where the figures of their guards go.
        states: Where their states are kept; None keeps nothing.
    """

    def __init__(self, balancers: Balancers, registry: Registry, states: KeptStates | None) -> None:
        self._balancers, self._states = balancers, states
        self._gauge: Gauge = registry.gauge(
            "rilaas_route_balancer_guard", "How far a balancing policy trusts itself.", ("balancer", "figure")
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.ensure_future(self._keep_on())

    async def stop(self) -> None:
        """Write the states once more, and end."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            await self.write()

    def show(self) -> None:
        """Bring the figures up to date."""
        for policy in self._balancers.all():
            for figure, value in policy.guard().items():
                self._gauge.set(value, balancer=policy.name, figure=figure)

    async def write(self) -> None:
        """Write all states down."""
        if self._states is None:
            return
        for policy in self._balancers.all():
            state = policy.state()
            if state is not None:
                await asyncio.to_thread(self._states.write, policy.name, state)

    async def _keep_on(self) -> None:
        written_s = time.monotonic()
        while True:
            await asyncio.sleep(SHOW_S)
            self.show()
            if time.monotonic() - written_s > WRITE_S:
                written_s = time.monotonic()
                await self.write()
