"""The gate before protected aliases: moves, roll-backs, deployments, canaries; and what the owner may do."""

import pytest

from rilaas.core import Conflict, InvalidInput, PermissionDenied
from rilaas.hub.actions.deployment import Wanted, deploy, set_canary, set_running
from rilaas.hub.actions.registry_alias import promote, roll_back
from rilaas.hub.actions.sharing import share
from rilaas.hub.actions.variant_gate import let_through, protect, take_back
from rilaas.hub.models import Alias, AuditEvent, Deployment
from tests.hub.fleet_of import make_server
from tests.hub.variant_parts import FAILED, UNJUDGED, push_original, push_variant, record

pytestmark = pytest.mark.django_db
MODEL = ("alice", "affine")


@pytest.fixture
def model(alice, bob, tmp_path):
    """A version with variants: one passed its gate, one failed, one was not judged, one has no record."""
    digest = push_original(alice, tmp_path).digest
    share(alice, "model", *MODEL, "bob")
    push_variant(alice, tmp_path, record(digest), name="good")
    push_variant(alice, tmp_path, record(digest, FAILED, "bad"), name="bad", a=2.02)
    push_variant(alice, tmp_path, record(digest, UNJUDGED, "unknown"), name="unknown", a=2.03)
    push_variant(alice, tmp_path, None, name="bare", a=2.04)
    return MODEL


@pytest.mark.parametrize("revision", ["1", "1@good"])
def test_originals_and_variants_that_passed_become_prod(alice, model, revision):
    assert promote(alice, *MODEL, "prod", revision, 0).variant.revision == revision


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        ("1@bad", "its gate failed: int8: its mean squared error is 13.000"),
        ("1@unknown", "has no record of a gate that it passed"),
        ("1@bare", "has no record of a gate that it passed"),
    ],
)
def test_other_variants_do_not_and_it_is_said_why_and_what_to_do(alice, model, revision, told):
    promote(alice, *MODEL, "prod", "1", 0)
    with pytest.raises(Conflict, match=told) as caught:
        promote(alice, *MODEL, "prod", revision, 1)
    assert "rilaas optimize affine:1" in caught.value.hint
    assert Alias.objects.get(name="prod").variant.revision == "1"
    assert promote(alice, *MODEL, "trial", revision, 0).name == "trial"  # which nobody protects


def test_the_page_and_rest_say_the_same(bob, model, browser, program):
    form = {"act": "promote", "alias": "prod", "revision": "1@bad", "seen": ""}
    page = browser(bob).post("/models/alice/affine", form)
    assert page.status_code == 409
    assert "its gate failed: int8: its mean squared error is 13.000" in page.content.decode()
    body = {"revision": "1@bad", "generation": 0}
    address = "/api/v1/models/alice/affine/aliases/prod"
    answer = program(bob, "deploy").put(address, body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


def test_the_owner_lets_a_variant_through_with_a_reason_that_everybody_sees(alice, bob, model, browser, program):
    address = "/api/v1/models/alice/affine/versions/1@bad/gate"
    body = {"reason": "driven by hand for an hour; the night scenes are not needed here"}
    assert program(bob, "deploy").post(address, body, content_type="application/json").status_code == 403
    assert program(alice, "write").post(address, body, content_type="application/json").status_code == 403
    assert program(alice, "deploy").post(address, body, content_type="application/json").json()["is_let_in"]
    promote(bob, *MODEL, "prod", "1@bad", 0)
    text = browser(bob).get("/models/alice/affine").content.decode()
    assert "let through" in text
    assert "alice let it through" in text
    assert "the night scenes are not needed here" in text
    event = AuditEvent.objects.get(act="variant let through")
    assert (event.person, event.subject) == (alice, "alice/affine")
    assert event.detail == f"1@bad: {body['reason']}"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 1001, "a\0b"])
def test_a_reason_is_needed(alice, model, reason):
    with pytest.raises(InvalidInput, match="1 to 1000 characters"):
        let_through(alice, *MODEL, "1@bad", reason)
    with pytest.raises(InvalidInput, match="is an original, and has no gate"):
        let_through(alice, *MODEL, "1", "why not")


def test_what_was_let_through_is_taken_back_only_while_nothing_needs_it(alice, model, browser):
    client = browser(alice)
    client.post("/models/alice/affine", {"act": "let-through", "revision": "1@bad", "reason": "tried"})
    promote(alice, *MODEL, "prod", "1@bad", 0)
    with pytest.raises(Conflict, match="is what prod points to"):
        take_back(alice, *MODEL, "1@bad")
    promote(alice, *MODEL, "prod", "1", 1)
    client.post("/models/alice/affine", {"act": "take-back", "revision": "1@bad"})
    with pytest.raises(Conflict, match="cannot become prod"):
        promote(alice, *MODEL, "prod", "1@bad", 2)


def test_a_roll_back_does_not_lead_around_the_gate(alice, model):
    promote(alice, *MODEL, "stable", "1@bad", 0)
    promote(alice, *MODEL, "stable", "1", 1)
    protect(alice, *MODEL, ["prod", "stable"])
    with pytest.raises(Conflict, match="cannot become stable"):
        roll_back(alice, *MODEL, "stable", 2)


def test_the_owner_says_which_aliases_are_protected(alice, bob, model, browser, program):
    client = browser(alice)
    assert client.post("/models/alice/affine", {"act": "protect", "protected": "prod, stable"}).status_code == 303
    address = "/api/v1/models/alice/affine/protected"
    assert program(bob, "read").get(address).json() == {"aliases": ["prod", "stable"]}
    body = {"aliases": []}
    assert program(bob, "deploy").put(address, body, content_type="application/json").status_code == 403
    assert program(alice, "deploy").put(address, body, content_type="application/json").status_code == 200
    promote(bob, *MODEL, "prod", "1@bad", 0)
    with pytest.raises(Conflict, match="1@bad is what prod points to"):
        protect(alice, *MODEL, ["prod"])
    with pytest.raises(InvalidInput, match="name of a alias"):
        protect(alice, *MODEL, ["Not A Name"])
    with pytest.raises(PermissionDenied):
        protect(bob, *MODEL, ["prod"])


def test_a_deployment_that_follows_a_protected_alias_takes_no_canary_that_failed(alice, model):
    make_server()
    promote(alice, *MODEL, "prod", "1", 0)
    promote(alice, *MODEL, "trial", "1@bad", 0)
    with pytest.raises(Conflict, match="1@bad cannot be a canary beside prod: its gate failed"):
        deploy(alice, *MODEL, Wanted(["edge-1"], canary="1@bad", canary_share=0.1))
    deployment = deploy(alice, *MODEL, Wanted(["edge-1"]))
    with pytest.raises(Conflict, match="cannot be a canary"):
        set_canary(alice, *MODEL, "1@bad", 0.1, deployment.generation)
    set_canary(alice, *MODEL, "1@good", 0.1, deployment.generation)
    generation = Deployment.objects.get().generation
    free = deploy(alice, *MODEL, Wanted(["edge-1"], follows="trial", canary="1@bad", canary_share=0.1), generation)
    with pytest.raises(Conflict, match="is what trial points to"):
        protect(alice, *MODEL, ["trial"])
    with pytest.raises(Conflict, match="cannot be a canary beside prod"):
        deploy(alice, *MODEL, Wanted(["edge-1"], canary="1@bad", canary_share=0.1), free.generation)


def test_a_stopped_deployment_is_not_started_around_the_gate(alice, model):
    make_server()
    promote(alice, *MODEL, "trial", "1", 0)
    made = deploy(alice, *MODEL, Wanted(["edge-1"], follows="trial", canary="1@bad", canary_share=0.1))
    stopped = set_running(alice, *MODEL, False, made.generation)
    protect(alice, *MODEL, ["trial"])  # nothing of it runs
    with pytest.raises(Conflict, match="is the canary beside trial"):
        set_running(alice, *MODEL, True, stopped.generation)
