"""Small models, servers and robots in the database, without their files."""

import hashlib

from rilaas.hub.actions.machine import PlacementState, ServerState, server_reported
from rilaas.hub.actions.registry_alias import promote
from rilaas.hub.models import Alias, Model, Placement, Server, Variant, Version


def make_model(owner, name="lane", *, versions=1, visibility="private", sensitivity="any", collaborators=()):
    """A model whose versions have manifests but no archives."""
    model = Model.objects.create(owner=owner, name=name, visibility=visibility)
    model.collaborators.set(collaborators)
    for number in range(1, versions + 1):
        add_version(model, owner, number, sensitivity=sensitivity)
    return model


def add_version(model, person, number, *, name="", sensitivity="any"):
    """One more version, or a variant of it."""
    digest = f"sha256:{hashlib.sha256(f'{model}:{number}@{name}'.encode()).hexdigest()}"
    version, _ = Version.objects.get_or_create(
        model=model, number=number, defaults={"digest": digest, "created_by": person}
    )
    return Variant.objects.create(
        version=version,
        name=name,
        digest=digest,
        archive_sha256=digest.removeprefix("sha256:"),
        archive_bytes=10,
        size_bytes=10,
        manifest={"placement": {"sensitivity": sensitivity}},
    )


def point(person, model, alias="prod", revision="1"):
    """Move an alias, whatever it was."""
    known = Alias.objects.filter(model=model, name=alias).first()
    return promote(
        person, str(model).partition("/")[0], model.name, alias, revision, known.generation if known else 0
    )


def make_server(name="edge-1", *, kind="edge", address="127.0.0.1:5001"):
    """A server that has just reported."""
    server_reported(name, ServerState(address=address, kind=kind, insecure=True))
    return Server.objects.get(name=name)


def report(server, **states):
    """The server reports; ``v3="ready"`` for revision 3, ``v3=("failed", "why")``; all else stays as it was."""
    placements = []
    for row in Placement.objects.filter(server=server).select_related("variant__version"):
        told = states.get(f"v{row.variant.revision.replace('@', '_')}", (row.state, row.reason))
        state, reason = told if isinstance(told, tuple) else (told, "")
        ready = row.deployment.replicas if state == "ready" else 0
        placements.append(PlacementState(row.pk, state, reason, ready, log=[f"it is {state}"]))
    state = ServerState(server.address, True, "", server.kind, placements=placements)
    return server_reported(server.name, state)
