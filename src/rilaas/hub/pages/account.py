"""Signing in and out, the password, tokens for programs."""

from __future__ import annotations

import time

from django.contrib.auth import authenticate, login, logout, update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from rilaas.core import InvalidInput, Unauthenticated
from rilaas.hub.actions.person import change_password
from rilaas.hub.actions.token import MACHINE_SCOPES, PERSON_SCOPES, make_token, revoke_token, use_link
from rilaas.hub.models import Person
from rilaas.hub.models.name import LENGTH
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.queries.account import account
from rilaas.hub.throttle import Throttle

_THROTTLES = (Throttle(10, 300.0), Throttle(100, 300.0))  # of a name, of an address
_BY_LINK, _LINK_COUNTS_S = "came_by_link_at_s", 3600.0
_BACKEND = "django.contrib.auth.backends.ModelBackend"


def _sign_in_page(request: HttpRequest) -> Data:
    return {"next": request.GET.get("next", "/")}


def _sign_in(request: HttpRequest) -> str:
    name, password = request.POST.get("name", ""), request.POST.get("password", "")
    keys = (f"name {name[: LENGTH + 1]}", f"address {request.META.get('REMOTE_ADDR', '')}")
    for throttle, key in zip(_THROTTLES, keys, strict=True):
        throttle.attempt(key)
    person = authenticate(request, username=name, password=password)
    if not isinstance(person, Person):
        raise Unauthenticated(
            "The name or the password is wrong.", "Both are written as they were chosen, in the same case."
        )
    _THROTTLES[0].forget(keys[0])
    _THROTTLES[1].take_back(keys[1])
    login(request, person)
    return _inside(request, request.POST.get("next", "/"))


def _enter(request: HttpRequest, text: str) -> Data:
    return {"text": text}


def _use(request: HttpRequest, text: str) -> str:
    person = use_link(text)
    if person is None:
        raise Unauthenticated(
            "This link was used already, or is older than a day.",
            "Whoever runs the hub makes a new one; on its machine, `rilaas hub --link` prints one.",
        )
    login(request, person, backend=_BACKEND)
    request.session[_BY_LINK] = time.time()
    return "/" if person.has_usable_password() or person.is_staff else "/account"


def _sign_out(request: HttpRequest) -> str:
    logout(request)
    return "/sign-in"


def _account(request: HttpRequest) -> Data:
    person = person_of(request)
    scopes = (*PERSON_SCOPES, *(MACHINE_SCOPES if person.is_staff else ()))
    return {
        **account(person),
        "has_password": _needs_old_password(request),
        "scopes": scopes,
        "fresh_token": request.session.pop("fresh_token", None),
    }


def _password(request: HttpRequest) -> tuple[str, str]:
    person, new = person_of(request), request.POST.get("password", "")
    if _needs_old_password(request):
        _THROTTLES[0].attempt(f"present password of {person.pk}")
        if not person.check_password(request.POST.get("old", "")):
            raise InvalidInput("The present password is wrong.", "Who lost it asks for a link that signs them in.")
        _THROTTLES[0].forget(f"present password of {person.pk}")
    try:
        validate_password(new, person)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from None
    change_password(person, new)
    update_session_auth_hash(request, person)
    request.session.pop(_BY_LINK, None)
    return "/account", "The password is changed."


def _make_token(request: HttpRequest) -> tuple[str, str]:
    days = request.POST.get("days", "")
    if days and not days.isdigit():
        raise InvalidInput(f"The token's life is {days!r}; it is a whole number of days, or empty.")
    text = make_token(
        person_of(request),
        request.POST.get("name", ""),
        request.POST.getlist("scopes"),
        subject=request.POST.get("subject", ""),
        days=int(days) if days else None,
    )
    request.session["fresh_token"] = text
    return "/account", "The token is made. It is shown once."


def _revoke_token(request: HttpRequest) -> tuple[str, str]:
    token_id = request.POST.get("token", "")
    revoke_token(person_of(request), int(token_id) if token_id.isdigit() else 0)
    return "/account", "The token is revoked."


PAGES = (
    Page("sign-in", "hub/sign-in.html", _sign_in_page, {"sign-in": _sign_in}, is_open=True),
    Page("enter/<str:text>", "hub/enter.html", _enter, {"enter": _use}, is_open=True),
    Page(
        "account",
        "hub/account.html",
        _account,
        {"password": _password, "make-token": _make_token, "revoke-token": _revoke_token, "sign-out": _sign_out},
    ),
)


def _needs_old_password(request: HttpRequest) -> bool:
    """Whether there is a password, and it is not lost: who came by a link a moment ago chooses a new one."""
    came_s_ago = time.time() - float(request.session.get(_BY_LINK, 0.0))
    return person_of(request).has_usable_password() and not 0.0 <= came_s_ago < _LINK_COUNTS_S


def _inside(request: HttpRequest, target: str) -> str:
    """The address to go to; the home page where it leads elsewhere."""
    return target if url_has_allowed_host_and_scheme(target, {request.get_host()}) else "/"
