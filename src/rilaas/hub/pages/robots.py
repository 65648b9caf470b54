"""The robots, and a robot's page."""

from __future__ import annotations

from django.http import HttpRequest, QueryDict

from rilaas.core import InvalidInput
from rilaas.hub.actions.robot import (
    Limits,
    add_keys,
    add_robot,
    change_robot,
    delete_robot,
    is_private,
    revoke_key,
    set_public_limits,
)
from rilaas.hub.actions.subscription import subscribe, unsubscribe
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.robot import list_robots, show_robot
from rilaas.hub.queries.setup import set_up


def _list(request: HttpRequest) -> Data:
    asked = request.GET
    return list_robots(
        person_of(request), search=asked.get("q", "")[:100], state=asked.get("state", ""), page=asked.get("page", "")
    )


def _add(request: HttpRequest) -> tuple[str, str]:
    person, form, keys = person_of(request), request.POST, _without_private(request)
    robot = add_robot(person, form.get("name", "").strip(), keys, form.get("note", ""))
    return f"/robots/{robot}", "The robot is registered. Give it models, then set it up."


def _show(request: HttpRequest, owner: str, name: str) -> Data:
    data = show_robot(person_of(request), owner, name)
    return {**data, "set_up": set_up(data, request.get_host())}


def _change(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    form = request.POST
    _without_private(request)
    new, note = form.get("name", "").strip(), form.get("note", "")
    robot = change_robot(person_of(request), owner, name, new_name=new, note=note)
    return f"/robots/{robot}", "It is changed."


def _delete(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    if request.POST.get("confirm", "").strip() != name:
        raise InvalidInput("The robot was not deleted: its name was not typed.", f"Type {name} to delete it.")
    delete_robot(person_of(request), owner, name)
    return "/robots", f"{owner}/{name} is deleted; its keys are good for nothing."


def _add_keys(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    count = add_keys(person_of(request), owner, name, _without_private(request))
    return f"/robots/{owner}/{name}", "The key is registered." if count == 1 else f"{count} keys are registered."


def _revoke(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    revoke_key(person_of(request), owner, name, request.POST.get("kid", ""))
    return f"/robots/{owner}/{name}", "The key is revoked: interceptors refuse it within a second."


def _subscribe(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    model = request.POST.get("model", "").strip()
    subscribe(person_of(request), owner, name, model, _limits(request))
    return f"/robots/{owner}/{name}", f"It may use {model}."


def _unsubscribe(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    model = request.POST.get("model", "")
    unsubscribe(person_of(request), owner, name, model)
    return f"/robots/{owner}/{name}", f"It may not use {model} any more."


def _public_limits(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    set_public_limits(person_of(request), owner, name, _limits(request))
    return f"/robots/{owner}/{name}", "The limits are changed."


PAGES = (
    Page("robots", "hub/robots.html", _list, {"add": _add}),
    Page(
        "robots/<part:owner>/<part:name>",
        "hub/robot.html",
        _show,
        {
            "change": _change,
            "delete": _delete,
            "add-keys": _add_keys,
            "revoke-key": _revoke,
            "subscribe": _subscribe,
            "unsubscribe": _unsubscribe,
            "public-limits": _public_limits,
        },
    ),
)


def _without_private(request: HttpRequest) -> str:
    """The keys of the form. A private one is refused, and not shown again with the error as the rest of a form is."""
    form = request.POST
    kept: QueryDict = form.copy()
    for name in form:
        if is_private(form[name]):
            kept[name] = ""
    request.POST = kept  # type: ignore[assignment]
    return form.get("keys", "")


def _limits(request: HttpRequest) -> Limits:
    rate, burst = (request.POST.get(name, "").strip() for name in ("rate_per_s", "burst"))
    try:
        return Limits(float(rate) if rate else None, int(burst or "1"))
    except ValueError:
        raise InvalidInput(
            f"The limits are {rate!r} per second and a burst of {burst!r}.",
            "The rate is a number, or empty for no limit; the burst is a whole number.",
        ) from None
