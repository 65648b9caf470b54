"""Robots over REST."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status

from rilaas.hub.actions.robot import (
    Limits,
    add_keys,
    add_robot,
    change_robot,
    delete_robot,
    revoke_key,
    set_public_limits,
)
from rilaas.hub.actions.subscription import subscribe, unsubscribe
from rilaas.hub.api.token import caller
from rilaas.hub.queries.robot import list_robots, show_robot
from rilaas.hub.queries.setup import set_up

router = Router(tags=["robots"])
_KEYS = "Public keys as in authorized_keys, one a line. The private half stays on the robot."


class RobotRow(Schema):
    """A robot; its state is awaiting set-up, online or offline."""

    ref: str
    owner: str
    name: str
    note: str
    state: str
    last_seen_at: datetime | None
    keys_in_force: int
    models: int


class Robots(Schema):
    """A page of robots."""

    rows: list[RobotRow]
    page_number: int
    pages: int
    count: int
    counts: dict[str, int]


class Key(Schema):
    """A public key; ``kid`` is its fingerprint."""

    kid: str
    kind: str
    comment: str
    line: str
    added_at: datetime
    revoked_at: datetime | None


class Limit(Schema):
    """How often: a rate of null is unlimited."""

    rate_per_s: float | None = Field(50.0, description="Requests per second; null is unlimited.")
    burst: int = Field(100, description="How many at once.")


class Access(Limit):
    """A model that a robot may use; unless its owner may not see it any more."""

    model: str
    is_usable: bool
    is_deployed: bool


class Robot(RobotRow):
    """A robot in full."""

    public_rate_per_s: float | None
    public_burst: int
    created_at: datetime
    keys: list[Key]
    subscriptions: list[Access]


class SetUp(Schema):
    """What is pasted on the robot: into a shell, and into Python."""

    shell: str
    python: str
    address: str = Field(description="The interceptor's host:port.")
    model: str = Field(description="A model that it may use, or ''.")
    has_ca: bool = Field(description="Whether the shell's part brings the authority's certificate.")


class NewRobot(Schema):
    """A robot to be registered."""

    name: str = Field(max_length=64)
    keys: str = Field("", max_length=65536, description=_KEYS)
    note: str = Field("", max_length=2000)


class Change(Schema):
    """What a robot is to be called; what is left out stays."""

    name: str | None = Field(None, max_length=64)
    note: str | None = Field(None, max_length=2000)


class NewKeys(Schema):
    """Further keys."""

    keys: str = Field(max_length=65536, description=_KEYS)


@router.get("/robots", response=Robots)
def robots(request: HttpRequest, search: str = "", state: str = "", page: int = 1) -> dict[str, Any]:
    """Your robots, 50 at a time."""
    return list_robots(caller(request, "read"), search=search[:100], state=state, page=str(page))


@router.post("/robots", response={201: Robot})
def add(request: HttpRequest, robot: NewRobot) -> Status[dict[str, Any]]:
    """Register a robot."""
    person = caller(request, "write")
    made = add_robot(person, robot.name, robot.keys, robot.note)
    return Status(201, show_robot(person, person.username, made.name))


@router.get("/robots/{owner}/{name}", response=Robot)
def robot(request: HttpRequest, owner: str, name: str) -> dict[str, Any]:
    """One robot."""
    return show_robot(caller(request, "read"), owner, name)


@router.get("/robots/{owner}/{name}/set-up", response=SetUp)
def instructions(request: HttpRequest, owner: str, name: str) -> dict[str, Any]:
    """What is to be pasted on the robot."""
    return set_up(show_robot(caller(request, "read"), owner, name), request.get_host())


@router.patch("/robots/{owner}/{name}", response=Robot)
def change(request: HttpRequest, owner: str, name: str, wanted: Change) -> dict[str, Any]:
    """Rename a robot, or note something."""
    person = caller(request, "write")
    now = show_robot(person, owner, name)
    new = wanted.name if wanted.name is not None else name
    note = wanted.note if wanted.note is not None else now["note"]
    changed = change_robot(person, owner, name, new_name=new, note=note)
    return show_robot(person, owner, changed.name)


@router.delete("/robots/{owner}/{name}", response={204: None})
def delete(request: HttpRequest, owner: str, name: str) -> Status[None]:
    """Delete a robot with its keys."""
    delete_robot(caller(request, "write"), owner, name)
    return Status(204, None)


@router.put("/robots/{owner}/{name}/limits", response=Robot)
def limits(request: HttpRequest, owner: str, name: str, limit: Limit) -> dict[str, Any]:
    """How often it may ask public models that it does not subscribe to."""
    person = caller(request, "write")
    set_public_limits(person, owner, name, Limits(limit.rate_per_s, limit.burst))
    return show_robot(person, owner, name)


@router.post("/robots/{owner}/{name}/keys", response={201: Robot})
def keys(request: HttpRequest, owner: str, name: str, new: NewKeys) -> Status[dict[str, Any]]:
    """Register further keys."""
    person = caller(request, "write")
    add_keys(person, owner, name, new.keys)
    return Status(201, show_robot(person, owner, name))


@router.delete("/robots/{owner}/{name}/keys", response={204: None})
def revoke(request: HttpRequest, owner: str, name: str, kid: str) -> Status[None]:
    """Revoke a key, by its fingerprint (``kid=SHA256:...``)."""
    revoke_key(caller(request, "write"), owner, name, kid)
    return Status(204, None)


@router.put("/robots/{owner}/{name}/models/{model_owner}/{model_name}", response=Robot)
def allow(
    request: HttpRequest, owner: str, name: str, model_owner: str, model_name: str, limit: Limit
) -> dict[str, Any]:
    """Let it use a model, or change how often."""
    person = caller(request, "write")
    subscribe(person, owner, name, f"{model_owner}/{model_name}", Limits(limit.rate_per_s, limit.burst))
    return show_robot(person, owner, name)


@router.delete("/robots/{owner}/{name}/models/{model_owner}/{model_name}", response={204: None})
def forbid(request: HttpRequest, owner: str, name: str, model_owner: str, model_name: str) -> Status[None]:
    """Take a model away from it."""
    unsubscribe(caller(request, "write"), owner, name, f"{model_owner}/{model_name}")
    return Status(204, None)
