"""A model, its deployment and a robot at the hub, by the same REST calls that anybody may use."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rilaas.cli.output import Output
from rilaas.cli.push import Said, push_folder
from rilaas.core import ModelFailed, ModelRef, NotFound, Unavailable
from rilaas.store import ModelFolder
from rilaas.wire import HubConnection, fingerprint, generate_key, load_private_key

ALIAS = "prod"
READY_TIMEOUT_S = 120.0
IN_FORCE_TIMEOUT_S = 20.0
_ASK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment that answers.

    Attributes:
        ref: ``owner/name`` of the model.
        revision: What is served.
        isolation: How its replicas are confined, by server.
    """

    ref: str
    revision: str
    isolation: Mapping[str, str]

    @property
    def name(self) -> str:
        """The model's name, as its owner's robots may call it."""
        return self.ref.partition("/")[2]


def deploy(
    hub: HubConnection, model: ModelFolder, servers: Collection[str], balancer: str, output: Output
) -> Deployed:
    """Push a model, let ``prod`` point to it, deploy it on servers and wait until it answers on each.

    What is so already is left alone.

    Raises:
        ModelFailed: It cannot be loaded; with the server's reason.
        Unavailable: It is not ready in time.
    """
    pushed = push_folder(hub, model, Said(ModelRef(model.manifest.name)), output).ref
    ref, revision = pushed.model, pushed.revision
    _promote(hub, ref, revision)
    _wait(lambda: set(servers) <= _up(hub), READY_TIMEOUT_S, f"Servers {', '.join(servers)} do not report.")
    now = _deployment(hub, ref)
    there = now and {row["name"] for row in now["servers"]} == set(servers) and not now["is_stopped"]
    if not there or (now["follows"], now["balancer"]) != (ALIAS, balancer):
        wanted = {"servers": sorted(servers), "follows": ALIAS, "balancer": balancer}
        hub.put_json(f"/api/v1/deployments/{ref}", {**wanted, "generation": now.get("generation", 0)})
    return _ready(hub, ref, revision, output)


def add_robot(hub: HubConnection, name: str, model: str, home: Path) -> Path:
    """Register a robot of the caller's with a key in ``home``, and let it use a model.

    Returns:
        The private key's path; a key that is there is kept.
    """
    path = home / name
    key = load_private_key(path).public if path.exists() else generate_key(path, comment=name).public
    robot = f"/api/v1/robots/{model.partition('/')[0]}/{name}"
    try:
        now = hub.get(robot)
    except NotFound:
        now = hub.post("/api/v1/robots", {"name": name, "keys": key.line, "note": "made by rilaas up"})
    if fingerprint(key) not in {row["kid"] for row in now["keys"] if row["revoked_at"] is None}:
        hub.post(f"{robot}/keys", {"keys": key.line})
    if model not in {row["model"] for row in now["subscriptions"]}:  # limits that somebody set stay
        hub.put_json(f"{robot}/models/{model}", {"rate_per_s": 1000, "burst": 100})
    return path


def wait_in_force(hub: HubConnection, interceptor: str) -> None:
    """Wait until an interceptor has the policy as it is now; that takes less than a second.

    Raises:
        Unavailable: It does not come.
    """
    epoch = hub.get("/api/v1/machines")["epoch"]

    def is_in_force() -> bool:
        rows = hub.get("/api/v1/machines")["interceptors"]
        return any(row["name"] == interceptor and row["epoch"] >= epoch for row in rows)

    _wait(is_in_force, IN_FORCE_TIMEOUT_S, f"{interceptor} has not taken the policy {epoch}.")


def _wait(is_so: Callable[[], bool], timeout_s: float, otherwise: str) -> None:
    until = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > until:
            raise Unavailable(otherwise, "The logs may say why.")
        time.sleep(_ASK_EVERY_S)


def _up(hub: HubConnection) -> set[str]:
    return {row["name"] for row in hub.get("/api/v1/machines")["servers"] if row["is_up"]}


def _promote(hub: HubConnection, ref: str, revision: str) -> None:
    rows = hub.get(f"/api/v1/models/{ref}/aliases")
    now = next((row for row in rows if row["name"] == ALIAS), None)
    if now is None or now["revision"] != revision:
        seen = now["generation"] if now else 0
        hub.put_json(f"/api/v1/models/{ref}/aliases/{ALIAS}", {"revision": revision, "generation": seen})


def _deployment(hub: HubConnection, ref: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = hub.get(f"/api/v1/deployments/{ref}")
    except NotFound:
        return {}
    return found


def _ready(hub: HubConnection, ref: str, revision: str, output: Output) -> Deployed:
    """Wait until every server that has the revision answers with it."""
    until = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < until:
        row = hub.get(f"/api/v1/deployments/{ref}")
        mine = [each for each in row["placements"] if each["revision"] == revision]
        failed = [each for each in mine if each["state"] == "failed"]
        if failed:
            raise ModelFailed(f"{ref}:{revision} on {failed[0]['server']}: {failed[0]['reason']}")
        if row["serving"] == revision and mine and all(each["state"] == "ready" for each in mine):
            output.progress_done()
            return Deployed(ref, revision, {each["server"]: each["isolation"] for each in mine})
        ready = sum(each["state"] == "ready" for each in mine)
        output.progress(f"deploying {ref}:{revision}: ready on {ready} of {len(mine)} servers")
        time.sleep(_ASK_EVERY_S)
    raise Unavailable(
        f"{ref}:{revision} was not ready within {READY_TIMEOUT_S:g} s.", "The hub's page of it says more."
    )
