"""The ``Runtime`` of this machine's processes: a thin coat over ``serve``, which starts and watches them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from rilaas.core import ModelRef
from rilaas.deploy.placement import Placement
from rilaas.deploy.runtime import Running
from rilaas.serve.local import LocalModels
from rilaas.serve.log import ReplicaLog
from rilaas.serve.pool import ServedModel
from rilaas.store import read_model_folder


class ProcessRuntime:
    """Replicas as processes, behind the front that the models are the service of.

    Args:
        models: Where they are added and removed.
    """

    def __init__(self, models: LocalModels) -> None:
        self._models = models
        self._logs: dict[ModelRef, ReplicaLog] = {}
        self._reasons: dict[ModelRef, str] = {}

    async def start(self, placement: Placement, folder: Path) -> None:
        """See ``Runtime.start``."""
        ref = placement.ref
        log = self._logs.setdefault(ref, ReplicaLog())
        self._reasons[ref] = "starting"
        try:
            found = await asyncio.to_thread(read_model_folder, folder)
            served = ServedModel(
                ref,
                found.path,
                placement.replicas,
                placement.threads,
                placement.limits(found.manifest.limits),
                placement.isolation,
            )
            await self._models.add(served, log)
        except BaseException as error:
            self._reasons[ref] = str(error) or "broken off"
            raise
        self._reasons[ref] = ""

    async def stop(self, ref: ModelRef) -> None:
        """See ``Runtime.stop``."""
        if any(pool.served.ref == ref for pool in self._models.pools):
            await self._models.remove(ref)
        self._logs.pop(ref, None)
        self._reasons.pop(ref, None)

    def running(self) -> Mapping[ModelRef, Running]:
        """See ``Runtime.running``."""
        pools = {pool.served.ref: pool for pool in self._models.pools}
        found: dict[ModelRef, Running] = {}
        for ref, log in self._logs.items():
            pool, reason = pools.get(ref), self._reasons[ref]
            if pool is None:
                found[ref] = Running(0, 0, reason, "", log.tail())
            else:
                found[ref] = Running(
                    pool.replicas_ready, pool.restarts, reason or pool.reason, pool.isolation, log.tail()
                )
        return found
