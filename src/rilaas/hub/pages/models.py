"""The list of models, and a model's page."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from django.http import HttpRequest

from rilaas.core import InvalidInput
from rilaas.hub.actions.registry import delete_model, delete_version
from rilaas.hub.actions.registry_alias import promote, remove_alias, roll_back
from rilaas.hub.actions.sharing import set_visibility, share, unshare
from rilaas.hub.actions.variant_gate import let_through, protect, take_back
from rilaas.hub.models import Person
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.deployment import deployment_box
from rilaas.hub.queries.evaluation import evaluations_box
from rilaas.hub.queries.model import list_models, show_model
from rilaas.hub.queries.setup import interceptor_at
from rilaas.hub.queries.variant_table import variants_box

# What other nouns add to a model's page: (person, the page's data) -> more data for the templates that it includes.
MORE: tuple[Callable[[Person, Data], Data], ...] = (deployment_box, evaluations_box, variants_box)


def _list(request: HttpRequest) -> Data:
    return list_models(person_of(request), search=request.GET.get("q", ""), page=request.GET.get("page", ""))


def _show(request: HttpRequest, owner: str, name: str) -> Data:
    person = person_of(request)
    data = show_model(person, owner, name, revision=request.GET.get("revision", ""), page=request.GET.get("page", ""))
    for more in MORE:
        data = {**data, **more(person, data)}
    target = interceptor_at(request.get_host())
    return {**data, "hub_url": request.build_absolute_uri("/").rstrip("/"), "target": target}


def _promote(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    alias, revision = request.POST.get("alias", "").strip(), request.POST.get("revision", "")
    moved = promote(person_of(request), owner, name, alias, revision, _generation(request))
    return f"/models/{owner}/{name}", f"{moved.name} points to {moved.variant.revision}."


def _roll_back(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    alias = request.POST.get("alias", "")
    moved = roll_back(person_of(request), owner, name, alias, _generation(request))
    return f"/models/{owner}/{name}", f"{moved.name} points to {moved.variant.revision} again."


def _remove_alias(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    alias = request.POST.get("alias", "")
    remove_alias(person_of(request), owner, name, alias, _generation(request))
    return f"/models/{owner}/{name}", f"The alias {alias} is removed."


def _visibility(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    visibility = request.POST.get("visibility", "")
    set_visibility(person_of(request), "model", owner, name, visibility)
    return f"/models/{owner}/{name}", f"The model is {visibility}."


def _share(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    whom = request.POST.get("person", "").strip()
    share(person_of(request), "model", owner, name, whom)
    return f"/models/{owner}/{name}", f"{whom} is a collaborator now."


def _unshare(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    whom = request.POST.get("person", "")
    unshare(person_of(request), "model", owner, name, whom)
    return f"/models/{owner}/{name}", f"{whom} has no rights on the model any more."


def _delete_version(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    revision = request.POST.get("revision", "")
    delete_version(person_of(request), owner, name, revision)
    return f"/models/{owner}/{name}", f"{revision} is deleted. Its number stays with its content."


def _delete_model(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    if request.POST.get("confirm", "").strip() != name:
        raise InvalidInput(f"Nothing was deleted: the name {name!r} was not typed.", "Type it to delete the model.")
    delete_model(person_of(request), owner, name)
    return "/models", f"{owner}/{name} is deleted."


def _let_through(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    revision = request.POST.get("revision", "")
    let_through(person_of(request), owner, name, revision, request.POST.get("reason", ""))
    return f"/models/{owner}/{name}#variants", f"{revision} is let through; the reason is shown beside it."


def _take_back(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    revision = request.POST.get("revision", "")
    take_back(person_of(request), owner, name, revision)
    return f"/models/{owner}/{name}#variants", f"{revision} is let through no longer."


def _protect(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    wanted = request.POST.get("protected", "").replace(",", " ").split()
    model = protect(person_of(request), owner, name, wanted)
    return f"/models/{owner}/{name}#variants", f"Protected: {', '.join(model.protected) or 'no alias'}."


def _generation(request: HttpRequest) -> int:
    """The generation of the alias that the form was made with."""
    alias, text = request.POST.get("alias", "").strip(), request.POST.get("generation", "")
    if not text:  # the form for any alias carries those that the page listed: "prod:3 test:1"
        seen = dict(part.rpartition(":")[::2] for part in request.POST.get("seen", "").split())
        text = seen.get(alias, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise InvalidInput("The form was not this page's.", "Load the page again.")
    return int(text)


def model_address(owner: str, name: str, revision: str) -> str:
    """The address of a model's page with a revision in full."""
    return f"/models/{owner}/{name}?{urlencode({'revision': revision}, safe='@')}"


PAGES = (
    Page("models", "hub/models.html", _list),
    Page(
        "models/<part:owner>/<part:name>",
        "hub/model.html",
        _show,
        {
            "promote": _promote,
            "roll-back": _roll_back,
            "remove-alias": _remove_alias,
            "visibility": _visibility,
            "share": _share,
            "unshare": _unshare,
            "delete-version": _delete_version,
            "delete-model": _delete_model,
            "let-through": _let_through,
            "take-back": _take_back,
            "protect": _protect,
        },
    ),
)
