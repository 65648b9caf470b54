"""The people of the hub, for those who run it."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.hub.actions.person import invite, new_link, set_active
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.person import list_people


def _list(request: HttpRequest) -> Data:
    people = list_people(person_of(request), page=request.GET.get("page", ""))
    return {**people, "fresh_link": request.session.pop("fresh_link", None)}


def _invite(request: HttpRequest) -> str:
    return _show_link(request, invite(person_of(request), request.POST.get("name", "").strip()))


def _link(request: HttpRequest) -> str:
    return _show_link(request, new_link(person_of(request), request.POST.get("name", "")))


def _show_link(request: HttpRequest, text: str) -> str:
    request.session["fresh_link"] = request.build_absolute_uri(f"/enter/{text}")
    return "/people"


def _active(request: HttpRequest) -> str:
    set_active(person_of(request), request.POST.get("name", ""), request.POST["act"] == "let-in")
    return "/people"


PAGES = (
    Page(
        "people", "hub/people.html", _list, {"invite": _invite, "link": _link, "let-in": _active, "shut-out": _active}
    ),
)
