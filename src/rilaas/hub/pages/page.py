"""A page: one address that is read as HTML or as JSON, and on which a person does named acts.

``Page.read`` gives a mapping of plain data, the same for the template and for the page's ``.json`` twin. An act is
a form with a hidden field ``act``; it answers with the address to go to. An error of ours becomes the same page with
the error on it, the form as it was typed, and the error's HTTP status: nothing is lost, nothing is half-done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.contrib import messages
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DataError, IntegrityError
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.urls import URLPattern, path, register_converter

from rilaas.core import ERROR_TABLE, Conflict, InvalidInput, NotFound, RilaasError, Unauthenticated, did_you_mean
from rilaas.hub.models import Person

_log = logging.getLogger("rilaas.hub")

Data = Mapping[str, Any]
Read = Callable[..., Data]  # (request, **names in the address) -> data
Act = Callable[..., str | tuple[str, str]]  # (request, **names) -> address to go to, perhaps with a sentence


class _Part:
    """A name in an address."""

    regex = r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


register_converter(_Part, "part")


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        address: With converters: ``models/<part:owner>/<part:name>``.
        template: Its file in ``templates``.
        read: Gives its data.
        acts: By the value of the form's field ``act``.
        is_open: Whether somebody who has not signed in may see it.
    """

    address: str
    template: str
    read: Read
    acts: Mapping[str, Act] = field(default_factory=dict)
    is_open: bool = False

    @property
    def name(self) -> str:
        """How Django calls it: the template's name without folder and suffix."""
        return self.template.removeprefix("hub/").removesuffix(".html")

    @property
    def section(self) -> str:
        """What it belongs to in the menu: the first word of its address."""
        return self.address.partition("/")[0]

    def urls(self) -> list[URLPattern]:
        """The page and its JSON twin."""
        twin = f"{self.address or 'home'}.json"
        return [path(twin, self._json, name=f"{self.name}-json"), path(self.address, self._html, name=self.name)]

    def _json(self, request: HttpRequest, **names: Any) -> HttpResponse:
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        try:
            self._admit(request)
            return JsonResponse(dict(self._read(request, names)), encoder=DjangoJSONEncoder)
        except RilaasError as error:
            return JsonResponse(error_json(error), status=http_status(error))

    def _html(self, request: HttpRequest, **names: Any) -> HttpResponse:
        if request.method not in ("GET", "HEAD", "POST"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        failed: RilaasError | None = None
        try:
            self._admit(request)
            if request.method == "POST":
                try:
                    return self._act(request, names)
                except RilaasError as error:
                    failed = error
                except DataError:  # only PostgreSQL says so
                    failed = InvalidInput("A value of the form fits no column: too long, or with a NUL.")
                except IntegrityError:
                    failed = Conflict("Somebody did the same at this moment, and was first.", "Look again.")
            data = dict(self._read(request, names))
        except Unauthenticated:
            return HttpResponseRedirect(f"/sign-in?next={request.path}")
        except RilaasError as error:
            return refusal(request, failed or error)
        data |= {"error": failed, "form": request.POST, "page": self.name, "section": self.section}
        return render(request, self.template, data, status=http_status(failed) if failed else 200)

    def _read(self, request: HttpRequest, names: Mapping[str, Any]) -> Data:
        try:
            return self.read(request, **names)
        except DataError:  # only PostgreSQL says so
            raise InvalidInput("A value of the address fits no column: too long, or with a NUL.") from None

    def _act(self, request: HttpRequest, names: Mapping[str, Any]) -> HttpResponse:
        act = request.POST.get("act", "")[:40]
        if act not in self.acts:
            raise InvalidInput(f"There is no act {act!r} on this page.", did_you_mean(act, self.acts))
        target = self.acts[act](request, **names)
        if isinstance(target, tuple):
            target, sentence = target
            messages.success(request, sentence)
        return HttpResponseRedirect(target, status=303)

    def _admit(self, request: HttpRequest) -> None:
        if not self.is_open and not request.user.is_authenticated:
            raise Unauthenticated("This page is for people who have signed in.", "Sign in.")


def person_of(request: HttpRequest) -> Person:
    """Who asks.

    Raises:
        Unauthenticated: Nobody has signed in.
    """
    if not isinstance(request.user, Person):
        raise Unauthenticated("This is for people who have signed in.", "Sign in.")
    return request.user


def refusal(request: HttpRequest, error: RilaasError) -> HttpResponse:
    """A page that says only what went wrong."""
    return render(request, "hub/refusal.html", {"error": error, "page": "refusal"}, status=http_status(error))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """An address that leads nowhere."""
    return refusal(
        request, NotFound(f"There is no page {request.path}, or not for you.", "Start again at the home page.")
    )


def refused(request: HttpRequest, exception: Exception) -> HttpResponse:
    """A request that Django refuses: too many files or fields, a host that is not ours."""
    return refusal(request, InvalidInput("The request is wrong: it has too many parts, or names another host."))


def broken(request: HttpRequest) -> HttpResponse:
    """A fault of ours; its traceback is in the log."""
    return refusal(request, RilaasError("The hub made a mistake.", "Its log says more; please report it."))


def http_status(error: RilaasError) -> int:
    """The status of an error."""
    return ERROR_TABLE[error.code].http_status


def error_json(error: RilaasError, request_id: str = "") -> dict[str, str]:
    """An error as the REST interface says it."""
    return {"code": error.code, "message": error.message, "hint": error.hint, "request_id": request_id}
