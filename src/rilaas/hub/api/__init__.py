"""REST under ``/api/v1``, with OpenAPI at ``/api/v1/openapi.json``.

A router a noun. People's programs send ``Authorization: Bearer rilaas_...``; a signed-in browser may read too.
"""

from __future__ import annotations

import logging
import uuid

from django.core.exceptions import BadRequest, SuspiciousOperation
from django.db import DataError, IntegrityError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

import rilaas
from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied, RilaasError, Unauthenticated, Unavailable
from rilaas.hub.api.token import ALL as _AUTH
from rilaas.hub.pages.page import error_json, http_status

_log = logging.getLogger("rilaas.hub")

api = NinjaAPI(title="rilaas hub", version=rilaas.__version__, auth=_AUTH, urls_namespace="api", docs_url=None)


@api.exception_handler(RilaasError)
def _ours(request: HttpRequest, error: RilaasError) -> HttpResponse:
    request_id = uuid.uuid4().hex[:12]
    if http_status(error) >= 500:
        _log.warning("%s %s: %s (request %s)", request.method, request.path, error, request_id)
    return api.create_response(request, error_json(error, request_id), status=http_status(error))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    said = "; ".join(
        f"{'.'.join(str(part) for part in row['loc'][1:] or row['loc'])}: {row['msg']}" for row in error.errors
    )
    return _ours(request, InvalidInput(f"The request is wrong: {said}.", "See /api/v1/openapi.json."))


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    kind = PermissionDenied if error.status_code == 403 else InvalidInput
    return _ours(request, kind(f"The request is wrong: {error.message}.", "See /api/v1/openapi.json."))


@api.exception_handler(DataError)
def _unfit(request: HttpRequest, error: DataError) -> HttpResponse:
    return _ours(request, InvalidInput("A value of the request fits no column: too long, or with a NUL."))


@api.exception_handler(IntegrityError)
def _taken(request: HttpRequest, error: IntegrityError) -> HttpResponse:
    return _ours(request, Conflict("Somebody did the same at this moment, and was first.", "Look again."))


@api.exception_handler(OperationalError)
def _away(request: HttpRequest, error: OperationalError) -> HttpResponse:
    return _ours(request, Unavailable("The hub's database cannot be reached.", "Try again in a moment."))


@api.exception_handler(BadRequest)
@api.exception_handler(SuspiciousOperation)
@api.exception_handler(MultiPartParserError)
@api.exception_handler(UnreadablePostError)
def _unreadable(request: HttpRequest, error: Exception) -> HttpResponse:
    return _ours(request, InvalidInput(f"The request cannot be read: {str(error)[:200] or 'it is malformed'}."))


@api.exception_handler(Exception)
def _fault(request: HttpRequest, error: Exception) -> HttpResponse:
    _log.error("a bug at %s %s", request.method, request.path, exc_info=error)
    return _ours(request, RilaasError("The hub made a mistake.", "Please report it."))


@api.exception_handler(Http404)
def _nothing(request: HttpRequest, error: Http404) -> HttpResponse:
    return _ours(request, NotFound("There is nothing at this address."))


@api.exception_handler(AuthenticationError)
def _stranger(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return _ours(
        request,
        Unauthenticated(
            "The request carries no valid token for this.",
            "Make one on the page Account, with the scope that the act needs; send 'Authorization: Bearer TOKEN'.",
        ),
    )


_NOUNS = (
    "datasets deployments evaluation_runs evaluations jobs machines metrics models optimizations policy recordings "
    "robots runs tokens uploads variants"
)

for _noun in _NOUNS.split():
    api.add_router("", f"{__name__}.{_noun}.router")
