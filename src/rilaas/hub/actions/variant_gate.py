"""The gate between a variant and the robots: protected aliases point to nothing whose gate did not pass.

Originals are not gated. What a record says was measured by the one who pushed it; the hub believes its verdict, and
shows whose word it is. An owner may let a variant through with a reason, which everybody sees.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from django.db import transaction
from django.utils import timezone

from rilaas.core import Conflict, InvalidInput
from rilaas.hub.actions.event import record
from rilaas.hub.models import Deployment, Model, Person, Variant
from rilaas.hub.models.name import checked_name
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.variant import variant_of
from rilaas.hub.queries.variant_record import is_let_in, violations_of

MAX_REASON = 1000  # characters
_MAX_PROTECTED = 20


def check_gate(model: Model, alias: str, variant: Variant | None, what: str = "") -> None:
    """Refuse where a variant would get to a protected alias without a passed gate.

    Args:
        model: The model.
        alias: That moves, or that a deployment follows.
        variant: Where to; None is nothing.
        what: How the variant would get traffic, for the message; '' where the alias moves.

    Raises:
        Conflict: It may not; the message lists what its gate says, the hint what can be done.
    """
    if variant is None or alias not in model.protected or is_let_in(variant):
        return
    called = f"{model}:{variant.revision}"
    found = "; ".join(violations_of(variant))
    said = f"its gate failed: {found}" if found else "its folder has no record of a gate that it passed"
    raise Conflict(
        f"{called} {what or f'cannot become {alias}'}: {said}.",
        f"Make one that passes with `rilaas optimize {model.name}:{variant.version.number}` and push it under "
        f"another name, or use the original, {variant.version.number}. The owner of {model} can let it through, with "
        "a reason, on the model's page under Variants.",
    )


def let_through(person: Person, owner: str, name: str, revision: str, reason: str) -> Variant:
    """Let a variant through whatever its gate says; the reason is shown beside it, and stays in the audit log.

    Raises:
        NotFound: There is no such model or revision, or it is hidden from the person.
        PermissionDenied: The model is somebody else's.
        InvalidInput: There is no reason, or nothing to let through.
    """
    words = " ".join(reason.split())
    if not 0 < len(words) <= MAX_REASON or not words.isprintable():
        raise InvalidInput(
            f"Why it is let through has 1 to {MAX_REASON} characters.", "Say what was looked at, and by whom."
        )
    with transaction.atomic():
        model = _locked(person, owner, name)
        variant = variant_of(model, revision)
        if not variant.name:
            raise InvalidInput(
                f"{model}:{variant.revision} is an original, and has no gate.", "Name a variant: 3@int8."
            )
        variant.waiver = {"by": person.username, "reason": words, "at": timezone.now().isoformat()}
        variant.save(update_fields=["waiver"])
        record(person, "variant let through", str(model), f"{variant.revision}: {words}")
    return variant


def take_back(person: Person, owner: str, name: str, revision: str) -> Variant:
    """Let a variant through no longer.

    Raises:
        NotFound: There is no such model or revision, or it is hidden from the person.
        PermissionDenied: The model is somebody else's.
        Conflict: A protected alias, or a deployment that follows one, needs it.
    """
    with transaction.atomic():
        model = _locked(person, owner, name)
        variant = variant_of(model, revision)
        if variant.waiver:
            variant.waiver = {}
            _check_all(model, model.protected, [variant])
            variant.save(update_fields=["waiver"])
            record(person, "variant let through no longer", str(model), variant.revision)
    return variant


def protect(person: Person, owner: str, name: str, aliases: Sequence[str]) -> Model:
    """Say which aliases of a model are protected; they need not exist.

    Raises:
        NotFound: The model is hidden from the person.
        PermissionDenied: It is somebody else's.
        InvalidInput: A name cannot be an alias, or there are too many.
        Conflict: One of them points to a variant without a passed gate.
    """
    wanted = list(dict.fromkeys(checked_name(each, "alias") for each in aliases))
    if len(wanted) > _MAX_PROTECTED:
        raise InvalidInput(f"At most {_MAX_PROTECTED} aliases are protected, not {len(wanted)}.")
    with transaction.atomic():
        model = _locked(person, owner, name)
        model.protected = wanted
        _check_all(model, wanted)
        model.save(update_fields=["protected"])
        record(person, "protected aliases set", str(model), ", ".join(wanted) or "none")
    return model


def _locked(person: Person, owner: str, name: str) -> Model:
    model = find_model(person, owner, name, to="own")
    Model.objects.select_for_update().get(pk=model.pk)
    return model


def _check_all(model: Model, protected: Collection[str], fresh: Sequence[Variant] = ()) -> None:
    """What is in use now keeps to the gate.

    Args:
        model: Whose aliases and deployment are looked at.
        protected: Names of the aliases.
        fresh: Variants as they are to become, in place of what the database says.
    """
    become = {variant.pk: variant for variant in fresh}
    for alias in model.aliases.filter(name__in=protected).select_related("variant__version"):
        check_gate(model, alias.name, become.get(alias.variant_id, alias.variant), f"is what {alias.name} points to")
    deployment = Deployment.objects.select_related("canary__version").filter(model=model, is_stopped=False).first()
    if deployment is not None and deployment.follows in protected and deployment.canary is not None:
        canary = become.get(deployment.canary.pk, deployment.canary)
        check_gate(model, deployment.follows, canary, "is the canary of the deployment")
