"""From what is wanted to what runs: each version's own task fetches, starts, tries again, and stops it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from rilaas.core import InvalidInput, MissingDependency, ModelFailed, ModelRef, NotFound, RilaasError
from rilaas.deploy.placement import Placement, PlacementReport
from rilaas.deploy.runtime import Runtime

_log = logging.getLogger("rilaas.deploy")

LOG_LINES = 100  # of each placement, that are reported
# First and longest pause before the next try [s]. A hub that is away comes back soon; a model that fails may have run
# into memory or processors that others took, but each try costs those others something.
PASSING_PAUSES_S = (1.0, 30.0)
FAILED_PAUSES_S = (30.0, 600.0)
_LASTING = (InvalidInput, NotFound, MissingDependency)


@dataclass(slots=True)
class _Unit:
    """One version on its way."""

    placement: Placement
    is_wanted: bool = True
    state: str = "starting"
    reason: str = ""
    is_settled: bool = False  # it runs, or will not soon
    has_run: bool = False  # replicas of this version were ready once: while they are replaced they go on answering
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Reconciler:
    """Makes a runtime run what is wanted.

    A version that is new is started before another one of the same model is stopped. Where the new one cannot come
    for a reason that may pass, such as a hub that is away, the other one stays so long.

    Args:
        runtime: What runs them.
        fetch: Gets the model folder of a digest.
        forget: Is told the digests that are still needed, after each stop.
    """

    def __init__(
        self,
        runtime: Runtime,
        fetch: Callable[[str], Awaitable[Path]],
        forget: Callable[[Collection[str]], Awaitable[None]],
    ) -> None:
        self._runtime, self._fetch, self._forget = runtime, fetch, forget
        self._units: dict[ModelRef, _Unit] = {}
        self._locks: dict[ModelRef, asyncio.Lock] = {}
        self._moved = asyncio.Event()
        self._refused: dict[int, str] = {}

    def want(self, placements: Sequence[Placement], refused: Mapping[int, str] = MappingProxyType({})) -> None:
        """Run these and nothing else; returns at once.

        Args:
            placements: What to run.
            refused: Why other placements, by their numbers, cannot be; they are reported as failed.
        """
        wanted: dict[ModelRef, Placement] = {}
        self._refused = dict(refused)
        for placement in placements:
            if (first := wanted.setdefault(placement.ref, placement)) is not placement:
                self._refused[placement.id] = f"Placement {first.id} places {placement.ref} here already."
        for ref, placement in wanted.items():
            unit = self._units.get(ref)
            if unit is not None and placement.is_like(unit.placement) and self._still_runs(unit):
                unit.placement = placement
            else:
                self._begin(ref, _Unit(placement), self._keep)
        for ref, unit in list(self._units.items()):
            if ref not in wanted and unit.is_wanted:
                ending = _Unit(unit.placement, is_wanted=False, state=unit.state, reason=unit.reason)
                self._begin(ref, ending, self._end)
        self._tell()

    def report(self) -> list[PlacementReport]:
        """How each placement stands."""
        running = self._runtime.running()
        reports = [PlacementReport(id, "failed", why, 0, 0, "", ()) for id, why in self._refused.items()]
        for ref, unit in self._units.items():
            state, reason, alive = unit.state, unit.reason, running.get(ref)
            if alive is None:
                reports.append(PlacementReport(unit.placement.id, state, reason, 0, 0, "", ()))
                continue
            if state == "ready":
                state, reason = "ready" if alive.replicas_ready else "starting", alive.reason
            elif unit.has_run and alive.replicas_ready and unit.is_wanted:
                state = "ready"  # with the reason why it is not yet as it is wanted
            numbers = (alive.replicas_ready, alive.restarts, alive.isolation, tuple(alive.log[-LOG_LINES:]))
            reports.append(PlacementReport(unit.placement.id, state, reason, *numbers))
        return reports

    async def moved(self) -> None:
        """Wait until a version's state changes; what replicas do by themselves is not told here."""
        await self._moved.wait()

    async def close(self) -> None:
        """Break off what is under way; what runs goes on running."""
        tasks = [unit.task for unit in self._units.values() if unit.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _still_runs(self, unit: _Unit) -> bool:
        """Whether a unit is on its way to what is wanted; one that was to end and has not begun to, is kept."""
        if not unit.is_wanted and unit.state == "ready" and unit.task is not None:
            unit.task.cancel()
            unit.is_wanted = unit.is_settled = True
        return unit.is_wanted

    def _begin(self, ref: ModelRef, unit: _Unit, action: Callable[[ModelRef, _Unit], Awaitable[None]]) -> None:
        """Put a unit in the place of the one before it, which is broken off first unless it is stopping."""
        before = self._units.get(ref)
        self._units[ref] = unit
        unit.has_run = before is not None and before.has_run and before.state != "stopping"
        if before is not None and before.task is not None and before.state != "stopping":
            before.task.cancel()
        lock = self._locks.setdefault(ref, asyncio.Lock())

        async def run() -> None:
            async with lock:  # until whoever was broken off has cleaned up
                await action(ref, unit)

        unit.task = asyncio.ensure_future(run())

    async def _keep(self, ref: ModelRef, unit: _Unit) -> None:
        tries = 0
        while (error := await self._try(ref, unit)) is not None:
            pause_s = _pause_s(error, tries)
            again = f" It is tried again in {pause_s:g} s." if pause_s is not None else ""
            _log.warning("%s cannot be started: %s%s", ref, error, again)
            unit.is_settled = isinstance(error, _LASTING) or _is_the_models(error)
            self._say(unit, "failed", f"{error}{again}")
            if pause_s is None:
                return
            await asyncio.sleep(pause_s)
            tries += 1
        _log.info("%s runs as the hub wants it", ref)
        unit.is_settled = unit.has_run = True
        self._say(unit, "ready", "")

    async def _try(self, ref: ModelRef, unit: _Unit) -> Exception | None:
        """Fetch and start; returns what is in the way."""
        try:
            self._say(unit, "starting", "The model is fetched.")
            folder = await self._fetch(unit.placement.digest)
            self._say(unit, "starting", "The model is loaded.")
            await self._runtime.start(unit.placement, folder)
        except Exception as error:
            if not isinstance(error, RilaasError | OSError):
                _log.error("a bug while %s was started", ref, exc_info=error)
            return error
        return None

    async def _end(self, ref: ModelRef, unit: _Unit) -> None:
        while any(each.is_wanted and not each.is_settled for each in self._others(ref)):
            await self._moved.wait()
        self._say(unit, "stopping", "")
        try:
            await self._runtime.stop(ref)
            _log.info("%s is stopped: the hub does not want it here any more", ref)
        except (RilaasError, OSError) as error:
            _log.warning("%s did not stop properly: %s", ref, error)
        if self._units.get(ref) is unit:
            del self._units[ref], self._locks[ref]
        self._tell()
        await self._forget({each.placement.digest for each in self._units.values()})

    def _others(self, ref: ModelRef) -> list[_Unit]:
        return [unit for other, unit in self._units.items() if other.model == ref.model and other != ref]

    def _say(self, unit: _Unit, state: str, reason: str) -> None:
        unit.state, unit.reason = state, reason
        self._tell()

    def _tell(self) -> None:
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()


def _pause_s(error: Exception, tries: int) -> float | None:
    """How long to wait before the next try [s]; None where only another placement can help."""
    if isinstance(error, _LASTING):
        return None
    first_s, last_s = FAILED_PAUSES_S if _is_the_models(error) else PASSING_PAUSES_S
    return min(last_s, first_s * 2.0 ** min(tries, 20))


def _is_the_models(error: Exception) -> bool:
    """Whether the model or a bug is at fault, rather than the way to the hub or this machine."""
    return (
        isinstance(error, ModelFailed) or type(error) is RilaasError or not isinstance(error, RilaasError | OSError)
    )
