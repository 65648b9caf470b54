"""Deployments with the machines they run on, and a deployment's page."""

from __future__ import annotations

from dataclasses import asdict

from django.http import HttpRequest

from rilaas.core import InvalidInput, PermissionDenied
from rilaas.hub.actions.deployment import Wanted, deploy, deploy_now, keep_to_edge, set_canary, set_running, undeploy
from rilaas.hub.actions.machine import forget_machine
from rilaas.hub.actions.registry_alias import promote, roll_back
from rilaas.hub.actions.token import make_token
from rilaas.hub.models.name import checked_name
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.publish import redis_status
from rilaas.hub.queries.deployment import list_deployments, show_deployment
from rilaas.hub.queries.fleet import KINDS, list_machines

_COMMANDS = {"server": "rilaas serve", "interceptor": "rilaas route"}


def _list(request: HttpRequest) -> Data:
    person, asked = person_of(request), request.GET
    is_refresh = "HX-Request" in request.headers  # by a page that is open: it has no place for what is shown once
    rows = list_deployments(person, search=asked.get("q", "")[:100], page=asked.get("page", ""))
    return {
        **rows,
        **list_machines(),
        "redis": _redis(),
        "kinds": KINDS,
        "fresh_machine": None if is_refresh else request.session.pop("fresh_machine", None),
    }


def _add_machine(request: HttpRequest) -> str:
    """A token for a machine, and the command that starts it with that."""
    person, form = person_of(request), request.POST
    what, name, kind = form.get("what", ""), form.get("name", "").strip(), form.get("kind", "edge")
    if what not in _COMMANDS or kind not in KINDS:
        raise InvalidInput(f"There is no machine {what[:20]!r} of the kind {kind[:20]!r}.")
    if not person.is_staff:
        raise PermissionDenied("Machines are added by people who run the hub.", "Ask one of them.")
    token = make_token(person, f"{what} {name}"[:64], [what], subject=checked_name(name, what))
    url = request.build_absolute_uri("/").rstrip("/")
    options = f" --kind {kind}" if what == "server" else ""
    lines = [
        f"(umask 077; printf '%s\\n' {token} > {name}.token)",
        f"{_COMMANDS[what]} --hub {url} --name {name}{options} --token-file {name}.token --tls ~/.rilaas/tls",
    ]
    request.session["fresh_machine"] = {"what": what, "name": name, "command": "\n".join(lines)}
    return "/deployments"


def _forget(request: HttpRequest) -> tuple[str, str]:
    what, name = request.POST.get("what", ""), request.POST.get("name", "")
    forget_machine(person_of(request), what, name)
    return "/deployments", f"The {what} {name} is removed; should it still run, it is added again."


def _show(request: HttpRequest, owner: str, name: str) -> Data:
    return {**show_deployment(person_of(request), owner, name), "redis": _redis()}


def _now(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    deploy_now(person_of(request), owner, name)
    return f"/deployments/{owner}/{name}", "It is on its way to the servers."


def _change(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    form = request.POST
    memory_mb = _number(request, "memory_mb")
    share = _number(request, "canary_percent") or 0.0
    wanted = Wanted(
        servers=form.getlist("servers"),
        follows=form.get("follows", "prod").strip(),
        replicas=_whole(request, "replicas") or 1,
        threads=_whole(request, "threads") or 1,
        memory_bytes=int(memory_mb * 1e6) if memory_mb else None,
        cpus=_whole(request, "cpus"),
        balancer=form.get("balancer", "least_connections"),
        canary=form.get("canary", ""),
        canary_share=share / 100.0 if form.get("canary") else 0.0,
    )
    deploy(person_of(request), owner, name, wanted, _generation(request))
    return f"/deployments/{owner}/{name}", "It is changed; the servers are told."


def _end_canary(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    set_canary(person_of(request), owner, name, "", 0.0, _generation(request))
    return f"/deployments/{owner}/{name}", "The canary is ended."


def _promote(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    alias, revision = request.POST.get("alias", ""), request.POST.get("revision", "")
    promote(person_of(request), owner, name, alias, revision, _generation(request))
    return f"/deployments/{owner}/{name}", f"{alias} points to {revision}; traffic follows when that is ready."


def _roll_back(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    alias = roll_back(person_of(request), owner, name, request.POST.get("alias", ""), _generation(request))
    return f"/deployments/{owner}/{name}", f"{alias.name} points to {alias.variant.revision} again."


def _run(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    is_running = request.POST["act"] == "start"
    set_running(person_of(request), owner, name, is_running, _generation(request))
    return f"/deployments/{owner}/{name}", "It is started." if is_running else "It is stopped."


def _delete(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    undeploy(person_of(request), owner, name, _generation(request))
    return "/deployments", f"The deployment of {owner}/{name} is deleted; the model stays."


def _edge(request: HttpRequest, owner: str, name: str) -> tuple[str, str]:
    keep_to_edge(person_of(request), owner, name, request.POST["act"] == "keep-to-edge")
    return f"/deployments/{owner}/{name}", "It is changed."


PAGES = (
    Page("deployments", "hub/deployments.html", _list, {"add-machine": _add_machine, "forget-machine": _forget}),
    Page(
        "deployments/<part:owner>/<part:name>",
        "hub/deployment.html",
        _show,
        {
            "deploy-now": _now,
            "change": _change,
            "end-canary": _end_canary,
            "promote": _promote,
            "roll-back": _roll_back,
            "stop": _run,
            "start": _run,
            "delete": _delete,
            "keep-to-edge": _edge,
            "go-anywhere": _edge,
        },
    ),
)


def _redis() -> Data | None:
    status = redis_status()
    return None if status is None else asdict(status)


def _generation(request: HttpRequest) -> int:
    return _whole(request, "generation") or 0


def _whole(request: HttpRequest, field: str) -> int | None:
    number = _number(request, field)
    if number is not None and number != int(number):
        raise InvalidInput(f"{field} is {number:g}; it is a whole number.")
    return None if number is None else int(number)


def _number(request: HttpRequest, field: str) -> float | None:
    text = request.POST.get(field, "").strip()
    try:
        number = float(text) if text else None
    except ValueError:
        raise InvalidInput(f"{field} is {text[:40]!r}; it is a number.") from None
    if number is not None and not abs(number) < 1e15:  # nan too
        raise InvalidInput(f"{field} is {text[:40]!r}; that is out of range.")
    return number
