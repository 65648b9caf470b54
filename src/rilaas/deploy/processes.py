"""Several service processes that are started and ended in order."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any

from rilaas.deploy.service_process import STOP_TIMEOUT_S, ServiceProcess


class Processes:
    """Service processes by name; ``with`` ends them, the last started first.

    Example:
        >>> with Processes() as processes:
        ...     hub = processes.start(ServiceProcess("hub", hub_argv, folder / "hub.log"))
        ...     processes.check()
    """

    def __init__(self) -> None:
        self._services: dict[str, ServiceProcess] = {}

    def start(self, service: ServiceProcess) -> dict[str, Any]:
        """Start one more and return what it said when it was ready.

        Raises:
            Unavailable: It did not start; see ``ServiceProcess.start``.
            ValueError: There is one of this name.
        """
        if service.name in self._services:
            raise ValueError(f"there is a process {service.name!r} already")
        self._services[service.name] = service
        return service.start()

    def check(self) -> None:
        """See that all are there, or about to be started again.

        Raises:
            Unavailable: One has ended for good.
        """
        for service in self._services.values():
            service.check()

    def __getitem__(self, name: str) -> ServiceProcess:
        return self._services[name]

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End all, each when those that were started after it have ended; in ``timeout_s`` altogether."""
        until = time.monotonic() + timeout_s
        for service in reversed(self._services.values()):
            service.stop(max(0.5, until - time.monotonic()))
        self._services.clear()

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
