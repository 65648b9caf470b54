"""A server's link to the hub: it asks what to run, has it run, and reports.

Robots go on being served when the hub is away: what runs goes on running, and a server that starts meanwhile begins
with what it was told last.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from rilaas.core import InvalidInput, RilaasError, Unavailable
from rilaas.deploy.archive_cache import ArchiveCache
from rilaas.deploy.aside import aside
from rilaas.deploy.placement import Placement, PlacementReport
from rilaas.deploy.reconciler import Reconciler
from rilaas.deploy.runtime import Runtime

_log = logging.getLogger("rilaas.deploy")

WAIT_S = 20.0  # how long the hub may hold a question when nothing changes
REPORT_EVERY_S = 2.0
LOOK_EVERY_S = 0.25  # how soon a replica that died by itself is reported
PAUSES_S = (0.5, 5.0)  # before the hub is asked again that could not be reached: the first and the longest


class Hub(Protocol):
    """What the agent needs of ``wire.hub.HubConnection``."""

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path."""
        ...

    def post(self, path: str, body: Any = None) -> Any:
        """Send JSON, return JSON."""
        ...

    def download(self, path: str, target: Path, digest: str = "") -> Path:
        """Fetch bytes into a file."""
        ...


@dataclass(frozen=True, slots=True)
class Announced:
    """What a server tells the hub of itself.

    Attributes:
        address: ``host:port`` at which interceptors reach its front.
        insecure: Whether the front speaks clear text.
        metrics: ``host:port`` of its Prometheus endpoint, or ''.
        kind: ``edge`` or ``cloud``.
        added_delay_s: Emulated distance, which interceptors add [s].
    """

    address: str
    insecure: bool
    metrics: str = ""
    kind: str = "edge"
    added_delay_s: float = 0.0


class Agent:
    """Keeps one server as the hub wants it.

    Args:
        name: The server's name at the hub.
        hub: The way there, with a token of the scope ``server``.
        runtime: What runs the models.
        folder: Of this server alone; keeps models and what the hub wanted last.
        announced: What the hub is told of the server.
    """

    def __init__(self, name: str, hub: Hub, runtime: Runtime, folder: Path, announced: Announced) -> None:
        self._path = f"/api/v1/servers/{name}"
        self._hub, self._announced = hub, announced
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_path, self._state_path = folder / ".lock", folder / "placements.json"
        self._cache = ArchiveCache(folder / "models", self._download)
        self._reconciler = Reconciler(runtime, self._fetch, self._forget)
        self._generation = 0
        self._told: dict[str, str] = {}  # what is wrong, by what was tried

    async def run(self) -> None:
        """Work until this is cancelled; what runs then goes on running.

        Raises:
            Unavailable: Another process uses the folder.
        """
        with _only_one(self._lock_path):
            self._cache.sweep()
            self._restore()
            try:
                await asyncio.gather(self._follow(), self._report())
            finally:
                await self._reconciler.close()

    async def _follow(self) -> None:
        """Ask what is wanted: at once first, then whenever it changes."""
        wait_s, pause_s = 0.0, PAUSES_S[0]
        while True:
            ask = partial(self._hub.get, f"{self._path}/placements", after=self._generation, wait_s=wait_s)
            began = time.monotonic()
            try:
                await self._take(await aside(ask), is_first=wait_s == 0.0)
            except (RilaasError, OSError) as error:
                self._trouble("follow", error)
                await asyncio.sleep(pause_s)
                # The hub that comes back may have been restored from a backup: its numbers may mean something else.
                wait_s, pause_s = 0.0, min(PAUSES_S[1], 2 * pause_s)
                continue
            self._trouble("follow", None)
            if wait_s and time.monotonic() - began < PAUSES_S[0]:
                await asyncio.sleep(0.05)  # changes come in bursts, and a hub that does not wait is not flooded
            wait_s, pause_s = WAIT_S, PAUSES_S[0]

    async def _take(self, answer: Any, *, is_first: bool) -> None:
        generation, placements, refused = _read(answer)
        if generation != self._generation or is_first:
            self._generation = generation
            self._reconciler.want(placements, refused)
            await aside(partial(self._save, generation, placements))

    async def _report(self) -> None:
        """Report every two seconds, and at once when something has changed."""
        last: object = None
        due = 0.0
        while True:
            reports = self._reconciler.report()
            state = [(each.id, each.state, each.reason, each.replicas_ready, each.restarts) for each in reports]
            if state != last or time.monotonic() >= due:
                due = time.monotonic() + REPORT_EVERY_S
                if await self._post(reports):
                    last = state
            with contextlib.suppress(asyncio.TimeoutError):
                pause_s = LOOK_EVERY_S if state == last else REPORT_EVERY_S
                await asyncio.wait_for(self._reconciler.moved(), pause_s)

    async def _post(self, reports: Sequence[PlacementReport]) -> bool:
        body = {**asdict(self._announced), "placements": [asdict(each) for each in reports]}
        try:
            await aside(partial(self._hub.post, self._path, body))
        except (RilaasError, OSError) as error:
            self._trouble("report", error)
            return False
        self._trouble("report", None)
        return True

    async def _fetch(self, digest: str) -> Path:
        return await aside(partial(self._cache.get, digest))

    def _download(self, digest: str, target: Path) -> Path:
        return self._hub.download(f"{self._path}/archives/{digest}", target)

    async def _forget(self, digests: Collection[str]) -> None:
        try:
            await aside(partial(self._cache.prune, digests))
        except OSError as error:
            _log.warning("model folders that nothing uses cannot be removed: %s", error)

    def _restore(self) -> None:
        """Begin with what was wanted last, which needs no hub where the models are on the disk."""
        try:
            table = json.loads(self._state_path.read_text())
            self._generation, placements, _ = _read(table)
        except FileNotFoundError:
            return
        except (OSError, ValueError, InvalidInput) as error:
            _log.warning("%s cannot be read (%s); the hub is asked", self._state_path, error)
            return
        _log.info("starting the %d placements that were wanted last", len(placements))
        self._reconciler.want(placements)

    def _save(self, generation: int, placements: Sequence[Placement]) -> None:
        table = {"generation": generation, "placements": [each.to_json() for each in placements]}
        fresh = self._state_path.with_name(".placements.json")
        try:
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(table, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._state_path)
        except OSError as error:  # a full disk does not stop what the hub wants
            _log.warning("what the hub wants cannot be kept in %s: %s", self._state_path, error)

    def _trouble(self, what: str, error: Exception | None) -> None:
        """Log a change, not each try."""
        text = str(error) if error else ""
        if text and self._told.get(what, "") != text:
            _log.warning("what runs goes on running; the hub cannot be asked (%s): %s", what, text)
        elif not text and self._told.get(what):
            _log.info("the hub is back (%s)", what)
        self._told[what] = text


def _read(table: Any) -> tuple[int, list[Placement], dict[int, str]]:
    """Generation, placements, and why others cannot be read: a newer hub may want what this server does not know."""
    try:
        found = {int(each["id"]): _placement(each) for each in table["placements"]}
        placements = [each for each in found.values() if isinstance(each, Placement)]
        refused = {id: each for id, each in found.items() if isinstance(each, str)}
        return int(table["generation"]), placements, refused
    except (TypeError, KeyError, ValueError) as error:
        raise InvalidInput(f"What the hub wants cannot be read: {error!r}.") from None


def _placement(table: Any) -> Placement | str:
    try:
        return Placement.read(table)
    except InvalidInput as error:
        return str(error)


@contextlib.contextmanager
def _only_one(path: Path) -> Iterator[None]:
    """Hold a folder's lock, which ends with the process at the latest."""
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"Another server runs with the folder {path.parent}.", "End it, or take another --name or --home."
            ) from None
        yield
    finally:
        os.close(handle)
