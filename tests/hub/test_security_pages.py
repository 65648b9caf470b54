"""Hostile words, hostile requests: what pages make of them."""

import re

import pytest
from django.test import Client

from rilaas.hub.actions.sharing import set_visibility
from rilaas.hub.api import api
from rilaas.hub.pages import PAGES
from rilaas.hub.templatetags.model_page import markdown
from tests.hub.hostile_world import NAMES, build

pytestmark = pytest.mark.django_db
INLINE = re.compile(
    rb"<script(?![^>]*(\bsrc=|type=\"application/json\"))|\son[a-z]+\s*=\s*[\"']|javascript:", re.IGNORECASE
)
TAGS = re.compile(rb"<!--.*?-->|<[a-zA-Z/][^>]*>", re.DOTALL)


@pytest.fixture
def world(alice, tmp_path, monkeypatch):
    return build(alice, tmp_path, monkeypatch)


def html_of(client, world):
    """Every answer that a browser would show as a page of ours."""
    for pattern, address in world.addresses.items():
        if pattern.startswith("/api/v1/servers") or pattern == "/api/v1/policy" or "uploads" in pattern:
            continue
        more = (
            f"?a={world.evaluation.pk}&b={world.evaluation.pk}" if "compare" in pattern else "?q=<zebra>&everyone=1"
        )
        answer = client.get(address + more)
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        yield pattern, answer, body


def test_hostile_words_stay_words_on_every_page(alice, local, world, browser):
    set_visibility(alice, "model", "alice", "zebra", "public")
    seen = 0
    for person in (alice, local):
        for pattern, answer, body in html_of(browser(person), world):
            policy = answer.headers["Content-Security-Policy"]
            assert answer.headers["X-Content-Type-Options"] == "nosniff", pattern
            if "sandbox" in policy:
                assert "script-src" not in policy, pattern
                assert "allow" not in policy, pattern
                assert "default-src 'none'" in policy, pattern
            elif answer.headers["Content-Type"].startswith("text/html"):
                seen += b"zebra" in body
                tags = b" ".join(TAGS.findall(body))
                assert b"<zebra" not in body.lower(), pattern
                assert not INLINE.search(tags), (pattern, INLINE.search(tags))
            elif not answer.headers["Content-Type"].startswith(("application/json", "text/plain")):
                kind = answer.headers["Content-Type"]
                assert kind.startswith(("application/gzip", "application/octet-stream", "image/png")), (pattern, kind)
    assert seen > 20


def test_every_page_forbids_inline_scripts_other_origins_and_frames(alice, world, browser):
    for pattern, answer, _ in html_of(browser(alice), world):
        policy = answer.headers["Content-Security-Policy"]
        if "sandbox" not in policy:
            assert "default-src 'self'" in policy, pattern
            assert "frame-ancestors 'none'" in policy, pattern
            assert "form-action 'self'" in policy, pattern
            assert "unsafe-inline" not in policy.replace("style-src 'self' 'unsafe-inline'", ""), pattern
            assert "unsafe-eval" not in policy, pattern
            assert answer.headers["X-Frame-Options"] == "DENY", pattern
        assert "public" not in answer.headers["Cache-Control"], pattern


@pytest.mark.parametrize(
    "card",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "[a](JaVaScRiPt&#58;alert(1))",
        "[a](data:text/html,<script>)",
        "[a](vbscript:x)",
        "![a](https://evil.example/x.png)",
        "<https://evil.example/'onmouseover='x>",
        '[a](https://e.example/"onmouseover="x)',
        "[a]: javascript:alert(1)\n\n[a]",
        "```\n</code><script>\n```",
        "<!-- --><script>alert(1)</script> -->",
        "| a |\n|---|\n| <img src=x> |",
        '[a](https://e.example "t" onclick="x")',
    ],
)
def test_nothing_in_a_models_card_becomes_more_than_words_and_web_links(card):
    tags = TAGS.findall(markdown(card).encode())
    for tag in tags:
        assert re.fullmatch(
            rb"</?(p|h[3-6]|em|strong|code|pre|table|thead|tbody|tr|th|td|ul|ol|li|a)( class=\"[\w-]*\")?>"
            rb"|<a href=\"https?://[^\"<>]*\" rel=\"[a-z ]*\">|<(br|hr) />",
            tag,
        ), tag


def unsafe():
    """Every operation that changes something."""
    for _, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    if method not in ("GET", "HEAD"):
                        yield method, path


@pytest.mark.parametrize(("method", "path"), sorted(unsafe()))
def test_a_session_changes_nothing_over_rest_without_the_pages_csrf_token(local, method, path):
    plain = path.replace("{int:", "{").format(
        **NAMES, job_id=1, evaluation_id=1, token_id=1, sha256="0" * 64, model_owner="alice", model_name="zebra"
    )
    client = Client(enforce_csrf_checks=True)
    client.force_login(local)
    answer = client.generic(method, f"/api/v1{plain}", "{}", content_type="application/json")
    assert answer.status_code in (401, 403), answer.content
    assert Client().generic(method, f"/api/v1{plain}", "{}", content_type="application/json").status_code == 401


def acts():
    return [(page, act) for page in PAGES for act in page.acts]


@pytest.mark.parametrize(("page", "act"), acts(), ids=[f"{page.name}-{act}" for page, act in acts()])
def test_no_form_acts_without_its_csrf_token_or_for_a_stranger(local, page, act):
    plain = re.sub(r"<\w+:(\w+)>", r"{\1}", page.address).format(
        **NAMES, run_id=1, job_id=1, evaluation_id=1, text="x"
    )
    client = Client(enforce_csrf_checks=True)
    client.force_login(local)
    assert client.post(f"/{plain}", {"act": act}).status_code == 403
    if not page.is_open:
        answer = Client().post(f"/{plain}", {"act": act})
        assert (answer.status_code, answer["Location"]) == (302, f"/sign-in?next=/{plain}")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"])
def test_pages_know_no_other_methods(local, browser, method):
    for path in ("/", "/models", "/people", "/models.json", "/account"):
        assert browser(local).generic(method, path).status_code == 405


NASTY = (
    "9" * 5000,
    "-1",
    "0",
    "1e9",
    "\0",
    "%00",
    "' OR 1=1 --",
    "x" * 5000,
    "\u202e",
    "999999999999999999",
    "NaN",
)


@pytest.mark.parametrize("value", NASTY, ids=range(len(NASTY)))
def test_no_value_in_an_address_makes_a_page_fail(local, value, browser):
    client = browser(local)
    query = dict.fromkeys(FIELDS, value)
    for page in PAGES:
        if not page.is_open and "<" not in page.address:
            for suffix in ("", ".json"):
                path = f"/{page.address or 'home'}{suffix}" if suffix else f"/{page.address}"
                assert client.get(path, query).status_code in (200, 400, 404), (path, value)
                assert client.get(path, {"page": "1", **dict.fromkeys(FIELDS[1:], value[:50])}).status_code < 500


FIELDS = (
    "page",
    "q",
    "who",
    "act",
    "subject",
    "state",
    "model",
    "suite",
    "a",
    "b",
    "range",
    "start",
    "end",
    "group",
    "robot",
)


@pytest.mark.parametrize("number", ["0", "999999999", str(2**31), str(2**63), str(2**64), "9" * 400, "9" * 5000])
def test_no_number_in_an_address_makes_a_page_fail(local, number, browser):
    client = browser(local)
    for base in ("/jobs", "/runs", "/evaluations", "/api/v1/jobs", "/api/v1/runs", "/api/v1/evaluations"):
        assert client.get(f"{base}/{number}").status_code in (400, 404), base
    assert client.get(f"/runs/1/samples/{number}").status_code == 404
    assert client.get(f"/evaluations/1/episodes/{number}").status_code == 404
    assert client.get(f"/datasets/a/b/versions/{number}/samples/{number}").status_code == 404
    for path in ("/datasets/a/b?version=", "/models/a/b?revision=", "/models?page=", "/evaluations/compare?b=1&a="):
        assert client.get(path + number).status_code in (200, 400, 404), path


BODIES = (
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff\xfe",
    b"NaN",
    b"",
    b"null",
    b"[]",
    b'"x"',
    b'{"name": "\\u0000", "scopes": ["read"]}',
    b'{"name": "\\ud800", "scopes": ["read"]}',
    b'{"name": "x", "scopes": ["read"], "days": 1e400}',
    b'{"name": "x", "scopes": ["read"], "days": ' + b"9" * 5000 + b"}",
    b'{"name": "x", "scopes": ["' + b"x" * 100_000 + b'"]}',
)


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_no_body_makes_the_hub_fail(local, program, body):
    client = program(local, "read", "write", "deploy", "metrics", "server", "interceptor")
    paths = ("tokens", "metrics/samples", "evaluations", "runs", "robots", "servers/edge-1", "interceptors/i-1")
    for path in paths:
        answer = client.post(f"/api/v1/{path}", body, content_type="application/json")
        assert answer.status_code < 500, (path, answer.content[:300])
        assert "\\u0000" not in answer.content.decode()
        if answer.status_code >= 400:
            assert set(answer.json()) == {"code", "message", "hint", "request_id"}
        assert len(answer.content) < 5000
