"""Aliases move, one person at a time."""

import pytest

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.registry_alias import promote, remove_alias, roll_back
from rilaas.hub.actions.sharing import set_visibility, share
from rilaas.hub.models import Alias, AuditEvent, Deployment, Model, PolicyEpoch
from rilaas.hub.queries.model import list_aliases
from tests.hub.model_folder import push_speed

pytestmark = pytest.mark.django_db
REF = ("alice", "driver")


@pytest.fixture
def model(alice, tmp_path):
    for speed in (1, 2, 3):
        push_speed(alice, tmp_path, speed)
    return Model.objects.get()


def test_an_alias_moves_and_rolls_back_and_forward_again(alice, model):
    assert promote(alice, *REF, "prod", "1", 0).generation == 1
    assert promote(alice, *REF, "prod", "2", 1).generation == 2
    assert roll_back(alice, *REF, "prod", 2).variant.revision == "1"
    assert roll_back(alice, *REF, "prod", 3).variant.revision == "2"
    (row,) = list_aliases(model)
    assert (row["revision"], row["previous"], row["generation"], row["moved_by"]) == ("2", "1", 4, "alice")
    assert AuditEvent.objects.filter(act="alias rolled back").count() == 2


def test_of_two_who_saw_the_same_one_wins_and_the_other_is_told_who_where_and_when(alice, bob, model):
    share(alice, "model", *REF, "bob")
    promote(alice, *REF, "prod", "1", 0)
    promote(bob, *REF, "prod", "2", 1)
    with pytest.raises(Conflict, match=r"bob moved prod to 2 at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC, after you"):
        promote(alice, *REF, "prod", "3", 1)
    with pytest.raises(Conflict, match="bob moved prod"):
        roll_back(alice, *REF, "prod", 1)
    with pytest.raises(Conflict, match="bob moved prod"):
        promote(alice, *REF, "prod", "3", 0)  # who saw none
    assert Alias.objects.get().variant.revision == "2"


def test_moving_an_alias_where_it_is_changes_nothing(alice, model):
    promote(alice, *REF, "prod", "1", 0)
    epoch = PolicyEpoch.objects.get().epoch
    assert promote(alice, *REF, "prod", "1", 1).generation == 1
    assert PolicyEpoch.objects.get().epoch == epoch


def test_what_was_never_moved_or_lost_its_past_cannot_go_back(alice, model):
    promote(alice, *REF, "prod", "1", 0)
    with pytest.raises(InvalidInput, match="nothing to go back to"):
        roll_back(alice, *REF, "prod", 1)
    with pytest.raises(NotFound, match="no alias 'test'"):
        roll_back(alice, *REF, "test", 0)


@pytest.mark.parametrize("alias", ["7", "../x", "Prod", "生产", "a b", "", "x.json"])
def test_an_alias_is_a_name_and_no_number(alice, model, alias):
    with pytest.raises(InvalidInput):
        promote(alice, *REF, alias, "1", 0)
    assert not Alias.objects.exists()


def test_an_alias_that_a_deployment_follows_is_not_removed(alice, model):
    promote(alice, *REF, "prod", "1", 0)
    promote(alice, *REF, "test", "1", 0)
    Deployment.objects.create(model=model, follows="prod", created_by=alice)
    with pytest.raises(Conflict, match="follows prod"):
        remove_alias(alice, *REF, "prod", 1)
    remove_alias(alice, *REF, "test", 1)
    assert [row["name"] for row in list_aliases(model)] == ["prod"]
    with pytest.raises(Conflict, match="somebody removed it"):
        promote(alice, *REF, "test", "2", 1)


def test_a_stranger_moves_nothing(alice, charlie, model):
    with pytest.raises(NotFound):
        promote(charlie, *REF, "prod", "1", 0)
    set_visibility(alice, "model", *REF, "public")
    with pytest.raises(PermissionDenied):
        promote(charlie, *REF, "prod", "1", 0)


def test_each_move_reaches_the_interceptors(alice, model):
    before = PolicyEpoch.objects.get().epoch
    promote(alice, *REF, "prod", "1", 0)
    promote(alice, *REF, "prod", "2", 1)
    assert PolicyEpoch.objects.get().epoch > before


def test_the_page_carries_the_generation_it_showed(alice, bob, model, browser):
    share(alice, "model", *REF, "bob")
    page, address = browser(alice), "/models/alice/driver"
    done = page.post(address, {"act": "promote", "alias": "prod", "revision": "1", "seen": ""})
    assert (done.status_code, done["Location"]) == (303, address)
    assert b'value="prod:1 "' in page.get(address).content
    promote(bob, *REF, "prod", "2", 1)
    late = page.post(address, {"act": "promote", "alias": "prod", "revision": "3", "seen": "prod:1 "})
    assert late.status_code == 409
    assert b"bob moved prod to 2" in late.content
    assert b"<option selected>3</option>" in late.content  # the form is kept
    back = page.post(address, {"act": "roll-back", "alias": "prod", "generation": "2"})
    assert back.status_code == 303
    gone = page.post(address, {"act": "remove-alias", "alias": "prod", "generation": "3"})
    assert gone.status_code == 303
    for seen in ("prod:x", "prod:-1", "prod:99999999999"):
        wrong = page.post(address, {"act": "promote", "alias": "prod", "revision": "1", "seen": seen})
        assert wrong.status_code == 400
