"""Who sees a model: every address of the registry, for everybody, at every visibility."""

import pytest
from django.test import Client

from rilaas.core import InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.registry_alias import promote
from rilaas.hub.actions.sharing import set_visibility, share, unshare
from rilaas.hub.models import AuditEvent, Dataset, Model, PolicyEpoch
from tests.hub.model_folder import push_speed

pytestmark = pytest.mark.django_db
REF = ("alice", "driver")
REST = "/api/v1/models/alice/driver"
READ = (
    "/models/alice/driver",
    "/models/alice/driver.json",
    "/models/alice/driver?revision=1",
    REST,
    f"{REST}?revision=prod",
    f"{REST}/versions",
    f"{REST}/versions/1",
    f"{REST}/versions/prod",
    f"{REST}/versions/1/archive",
    f"{REST}/aliases",
)
FORM = "/models/alice/driver/new"
# Acts by which role they need; each is refused or hidden before it looks at its values, so values may be wrong.
CHANGE = (
    ("put", f"{REST}/aliases/prod", {"revision": "99", "generation": 1}),
    ("post", f"{REST}/aliases/nothing/rollback", {"generation": 0}),
    ("delete", f"{REST}/aliases/nothing?generation=0", None),
    ("post", f"{REST}/versions", {"sha256": "0" * 64, "size_bytes": 5, "parent": 99}),
)
OWN = (
    ("patch", REST, {"visibility": "nothing"}),
    ("put", f"{REST}/collaborators/nobody", None),
    ("delete", f"{REST}/collaborators/nobody", None),
    ("delete", f"{REST}/versions/99", None),
)
FORM_ACTS = ("promote", "roll-back", "remove-alias", "visibility", "share", "unshare", "delete-version")


@pytest.fixture
def model(alice, bob, tmp_path):
    push_speed(alice, tmp_path)
    promote(alice, *REF, "prod", "1", 0)
    return Model.objects.get()


@pytest.fixture
def seen_as(model, alice, bob, charlie):
    """``seen_as(who, visibility)``: the person, with the model at that visibility and Bob named by its owner."""

    def make(who, visibility):
        share(alice, "model", *REF, "bob")
        set_visibility(alice, "model", *REF, visibility)
        return {"alice": alice, "bob": bob, "charlie": charlie}[who]

    return make


@pytest.mark.parametrize("visibility", ["private", "shared", "public"])
@pytest.mark.parametrize("who", ["alice", "bob", "charlie"])
def test_every_address_answers_those_who_may_see_and_404_to_others(seen_as, browser, program, who, visibility):
    person = seen_as(who, visibility)
    sees = who == "alice" or visibility == "public" or (who == "bob" and visibility == "shared")
    rest = [address for address in READ if address.startswith("/api")]
    for client, addresses in ((browser(person), READ), (program(person, "read"), rest)):
        for address in addresses:
            answer = client.get(address)
            assert answer.status_code == (200 if sees else 404), address
            assert b"".join(answer)  # an archive is read to its end, which closes it
    listed = [row["ref"] for row in browser(person).get("/models.json").json()["rows"]]
    assert listed == (["alice/driver"] if sees else [])


@pytest.mark.parametrize("visibility", ["private", "shared", "public"])
@pytest.mark.parametrize("who", ["alice", "bob", "charlie"])
def test_only_the_owner_and_collaborators_change_it_and_only_the_owner_shares(
    seen_as, browser, program, who, visibility
):
    person = seen_as(who, visibility)
    is_owner = who == "alice"
    sees = is_owner or visibility == "public" or (who == "bob" and visibility == "shared")
    changes = is_owner or (who == "bob" and visibility != "private")
    client = program(person, "read", "write", "deploy")
    for acts, may in ((CHANGE, changes), (OWN, is_owner)):
        for method, address, body in acts:
            answer = getattr(client, method)(address, body, content_type="application/json")
            refused = answer.status_code in ({403} if sees else {404})
            named = "There is no model alice/driver" in answer.json()["message"]
            assert (not refused or not named) if may else refused, (method, address, answer.content)
    page = browser(person)
    assert page.get(FORM).status_code == (200 if changes else 403 if sees else 404)
    if not is_owner:
        for act in FORM_ACTS[0 if not changes else 3 :]:
            form = {"act": act, "alias": "prod", "revision": "1", "visibility": "public", "person": "bob"}
            assert page.post("/models/alice/driver", form).status_code == (403 if sees else 404), act
        assert Model.objects.get().visibility == visibility
        deleted = page.post("/models/alice/driver", {"act": "delete-model", "confirm": "driver"})
        assert deleted.status_code == (403 if sees else 404)


def test_who_has_not_signed_in_gets_nothing(model):
    for address in READ:
        answer = Client().get(address)
        assert answer.status_code in (302, 401)
        assert b"driver" not in answer.content


def test_a_stranger_and_somebody_who_asks_for_nothing_are_answered_alike(model, charlie, browser):
    client = browser(charlie)
    hidden, missing = (client.get(f"/models/{ref}.json").json() for ref in ("alice/driver", "alice/nothing"))
    assert hidden["message"].replace("driver", "nothing") == missing["message"]


def test_what_is_private_becomes_shared_with_the_first_collaborator_who_loses_it_again(model, alice, bob, browser):
    page = browser(alice)
    done = page.post("/models/alice/driver", {"act": "share", "person": " bob "})
    assert done.status_code == 303
    assert Model.objects.get().visibility == "shared"
    assert browser(bob).get("/models/alice/driver").status_code == 200
    assert page.post("/models/alice/driver", {"act": "unshare", "person": "bob"}).status_code == 303
    assert browser(bob).get("/models/alice/driver").status_code == 404
    acts = AuditEvent.objects.filter(subject="alice/driver").order_by("pk").values_list("act", flat=True)
    assert list(acts)[-2:] == ["shared", "share ended"]


def test_each_change_of_who_may_use_it_reaches_the_interceptors(model, alice):
    epochs = [PolicyEpoch.objects.get().epoch]
    for act in (
        lambda: share(alice, "model", *REF, "bob"),
        lambda: set_visibility(alice, "model", *REF, "public"),
        lambda: unshare(alice, "model", *REF, "bob"),
    ):
        act()
        epochs.append(PolicyEpoch.objects.get().epoch)
    assert epochs == sorted(set(epochs))


@pytest.mark.parametrize("name", ["nobody", "ärger", "", "x" * 500, "bob\0"])
def test_sharing_with_nobody_is_told_and_the_form_is_kept(model, alice, browser, name):
    answer = browser(alice).post("/models/alice/driver", {"act": "share", "person": name})
    assert answer.status_code == 404
    assert b"There is nobody called" in answer.content
    assert Model.objects.get().visibility == "private"


def test_one_does_not_share_with_oneself_and_there_are_three_visibilities(model, alice):
    with pytest.raises(InvalidInput, match="alice's own"):
        share(alice, "model", *REF, "alice")
    with pytest.raises(InvalidInput, match="Did you mean 'public'"):
        set_visibility(alice, "model", *REF, "pubic")
    with pytest.raises(NotFound, match="not shared with 'bob'"):
        unshare(alice, "model", *REF, "bob")


def test_a_dataset_is_shared_by_the_same_acts(alice, bob, charlie):
    dataset = Dataset.objects.create(owner=alice, name="track-a")
    share(alice, "dataset", "alice", "track-a", "bob")
    dataset.refresh_from_db()
    assert dataset.visibility == "shared"
    with pytest.raises(PermissionDenied):
        share(bob, "dataset", "alice", "track-a", "charlie")
    with pytest.raises(NotFound):
        share(charlie, "dataset", "alice", "track-a", "charlie")
