"""From what is written behind the colon of a reference to what it means: a variant of a model."""

from __future__ import annotations

import re

from django.db.models import QuerySet

from rilaas.core import NotFound
from rilaas.hub.models import Model, Person, Variant
from rilaas.hub.queries.access import find_model

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{12,64})")
_NAMED = 20  # of the versions that an error lists


def find_variant(person: Person, owner: str, name: str, revision: str = "", *, to: str = "see") -> Variant:
    """A variant that the person may see; its ``version.model.owner`` is loaded with it.

    Args:
        person: Who asks.
        owner: The model's owner.
        name: The model.
        revision: ``3``, ``3@int8``, an alias, ``prod@int8``, 12 or more digits of the digest; '' is the newest.
        to: As in ``find_model``.

    Raises:
        NotFound: There is no such model or revision, or it is hidden from the person.
        PermissionDenied: The person sees it and may not do that.
    """
    return variant_of(find_model(person, owner, name, to=to), revision)


def variant_of(model: Model, revision: str) -> Variant:
    """A variant of a model that was looked up already; see ``find_variant``.

    Raises:
        NotFound: The model has no such revision.
    """
    version, _, name = revision.replace("\0", "\ufffd").partition("@")  # PostgreSQL refuses a query with NUL
    found = _original(model, version)
    if found is not None and name and found.name != name:
        rows = _variants(model).filter(version=found.version)
        if (variant := rows.filter(name=name).first()) is None:
            names = ", ".join(rows.exclude(name="").values_list("name", flat=True)) or "none"
            raise NotFound(f"{model}:{version or found.version.number} has no variant {name!r}. Available: {names}.")
        return variant
    if found is None:
        raise NotFound(f"{model} has no version {version!r}. {_available(model)}" if version else _empty(model))
    return found


def newest_number(model: Model) -> int | None:
    """Number of the newest version; None where there is none."""
    numbers = Variant.objects.filter(version__model=model, name="").order_by("-version__number")
    return numbers.values_list("version__number", flat=True).first()


def _original(model: Model, version: str) -> Variant | None:
    originals = _variants(model).filter(name="")
    if not version:
        return originals.order_by("-version__number").first()
    if _NUMBER.fullmatch(version):
        return originals.filter(version__number=int(version)).first()
    alias = model.aliases.filter(name=version).values_list("variant", flat=True).first()
    if alias is not None:
        return _variants(model).get(pk=alias)
    if match := _DIGEST.fullmatch(version):
        found = list(_variants(model).filter(digest__startswith=f"sha256:{match[1]}").order_by("name", "pk")[:1])
        return found[0] if found else None
    return None


def _variants(model: Model) -> QuerySet[Variant]:
    return Variant.objects.select_related("version__model__owner", "version__parent").filter(version__model=model)


def _available(model: Model) -> str:
    numbers = model.versions.filter(variants__name="").order_by("-number").values_list("number", flat=True)
    names = [*model.aliases.order_by("name").values_list("name", flat=True), *map(str, numbers[: _NAMED + 1])]
    return f"Available: {', '.join(names[:_NAMED])}{' ...' if len(names) > _NAMED else ''}."


def _empty(model: Model) -> str:
    return f"{model} has no version yet."
