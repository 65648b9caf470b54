"""Models, versions and variants come and go."""

import pytest

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions.person import first_person
from rilaas.hub.actions.registry import delete_model, delete_version, sweep
from rilaas.hub.actions.registry_alias import promote
from rilaas.hub.actions.sharing import set_visibility, share
from rilaas.hub.actions.variant_gate import let_through
from rilaas.hub.blob_store import model_blobs
from rilaas.hub.models import Deployment, Model, Robot, Subscription, Variant, Version
from rilaas.hub.queries.model import show_model
from rilaas.hub.queries.variant import find_variant
from rilaas.store import read_model_folder, unpack
from tests.hub.model_folder import make_folder, push_folder, push_speed

pytestmark = pytest.mark.django_db


def test_the_same_content_is_the_same_version_and_other_content_the_next(alice, tmp_path):
    first, again, other = (push_speed(alice, tmp_path, speed) for speed in (1, 1, 2))
    assert (first.ref, first.is_new) == ("alice/driver:1", True)
    assert (again.ref, again.is_new) == ("alice/driver:1", False)
    assert (other.ref, other.is_new) == ("alice/driver:2", True)
    assert first.digest == read_model_folder(tmp_path / "speed-1").digest


def test_what_is_downloaded_is_what_was_pushed(alice, tmp_path):
    pushed = push_speed(alice, tmp_path)
    variant = find_variant(alice, "alice", "driver")
    archive = model_blobs().path(variant.archive_sha256)
    assert unpack(archive, tmp_path / "again", digest=pushed.digest).manifest.name == "driver"
    assert archive.stat().st_size == variant.archive_bytes


def test_a_version_knows_what_it_was_made_from(alice, tmp_path):
    for speed, parent in ((1, None), (2, None), (3, 1), (4, 0)):
        push_speed(alice, tmp_path, speed, name="driver", parent=parent, note=f"speed {speed}")
    rows = show_model(alice, "alice", "driver")["rows"]
    assert [(row["number"], row["parent"], row["note"]) for row in rows] == [
        (4, None, "speed 4"),
        (3, 1, "speed 3"),
        (2, 1, "speed 2"),
        (1, None, "speed 1"),
    ]
    drawn = show_model(alice, "alice", "driver")["lineage"]
    assert len(drawn["edges"]) == 2
    assert len({node["y"] for node in drawn["nodes"]}) == 3  # 3 branches off, 4 begins anew


def test_a_variant_has_the_signature_of_its_version(alice, tmp_path):
    push_speed(alice, tmp_path)
    variant = push_speed(alice, tmp_path, 2, name="driver", variant="int8")
    assert variant.ref == "alice/driver:1@int8"
    assert not push_speed(alice, tmp_path, 2, name="driver", variant="int8").is_new
    with pytest.raises(Conflict, match="exists with other content"):
        push_speed(alice, tmp_path, 3, name="driver", variant="int8")
    other = make_folder(tmp_path / "other", datatype="FP64")
    with pytest.raises(InvalidInput, match=r"wheels: FP32 \[-1, 2\] there, wheels: FP64"):
        push_folder(alice, other, name="driver", variant="fp64")
    with pytest.raises(NotFound, match="no version '7'"):
        push_folder(alice, other, name="driver", variant="fp64", of=7)


@pytest.mark.parametrize(
    ("revision", "found"),
    [("", "2"), ("1", "1"), ("1@int8", "1@int8"), ("prod", "1@int8"), ("newest", "2"), ("newest@int4", None)],
)
def test_a_revision_is_a_number_a_variant_or_an_alias(alice, tmp_path, revision, found):
    push_speed(alice, tmp_path)
    push_speed(alice, tmp_path, 3, name="driver", variant="int8")
    push_speed(alice, tmp_path, 2)
    let_through(alice, "alice", "driver", "1@int8", "tried by hand")
    promote(alice, "alice", "driver", "prod", "1@int8", 0)
    promote(alice, "alice", "driver", "newest", "2", 0)
    if found is None:
        with pytest.raises(NotFound, match="Available: none"):
            find_variant(alice, "alice", "driver", revision)
        return
    assert find_variant(alice, "alice", "driver", revision).revision == found
    digest = find_variant(alice, "alice", "driver", revision).digest
    assert find_variant(alice, "alice", "driver", digest.removeprefix("sha256:")[:12]).revision == found


def test_what_is_not_there_is_answered_with_what_is(alice, tmp_path):
    push_speed(alice, tmp_path)
    promote(alice, "alice", "driver", "prod", "1", 0)
    with pytest.raises(NotFound, match=r"no version 'prd'. Available: prod, 1\."):
        find_variant(alice, "alice", "driver", "prd")


def test_a_stranger_pushes_to_nobodys_model_and_a_collaborator_does(alice, bob, charlie, tmp_path):
    push_speed(alice, tmp_path)
    with pytest.raises(NotFound):
        push_speed(charlie, tmp_path, 2, owner="alice", name="driver")
    with pytest.raises(NotFound):
        push_speed(charlie, tmp_path, 2, owner="alice", name="no-such-model")
    with pytest.raises(NotFound):
        push_speed(charlie, tmp_path, 2, owner="alice")
    share(alice, "model", "alice", "driver", "bob")
    assert push_speed(bob, tmp_path, 2, owner="alice", name="driver").ref == "alice/driver:2"
    set_visibility(alice, "model", "alice", "driver", "public")
    with pytest.raises(PermissionDenied):
        push_speed(charlie, tmp_path, 3, owner="alice", name="driver")


def test_a_deleted_versions_number_is_never_another_content(alice, tmp_path):
    for speed in (1, 2, 3):
        push_speed(alice, tmp_path, speed)
    gone = find_variant(alice, "alice", "driver", "3").archive_sha256
    delete_version(alice, "alice", "driver", "3")
    assert not model_blobs().has(gone)
    assert find_variant(alice, "alice", "driver").revision == "2"
    with pytest.raises(NotFound):
        find_variant(alice, "alice", "driver", "3")
    assert push_speed(alice, tmp_path, 4).revision == "4"
    assert push_speed(alice, tmp_path, 3).revision == "3"  # the same content, so the same number
    assert show_model(alice, "alice", "driver")["count"] == 4


def test_a_version_that_an_alias_points_to_is_not_deleted(alice, bob, tmp_path):
    push_speed(alice, tmp_path)
    promote(alice, "alice", "driver", "prod", "1", 0)
    with pytest.raises(Conflict, match="prod of alice/driver points to 1"):
        delete_version(alice, "alice", "driver", "1")
    share(alice, "model", "alice", "driver", "bob")
    with pytest.raises(PermissionDenied, match="Only owners"):
        delete_version(bob, "alice", "driver", "1")


def test_a_deployed_model_is_not_deleted(alice, tmp_path):
    push_speed(alice, tmp_path)
    model, variant = Model.objects.get(), Variant.objects.get()
    deployment = Deployment.objects.create(model=model, serving=variant, created_by=alice)
    with pytest.raises(Conflict, match="deployed"):
        delete_model(alice, "alice", "driver")
    with pytest.raises(Conflict, match="deployed"):
        delete_version(alice, "alice", "driver", "1")
    Deployment.objects.filter(pk=deployment.pk).update(is_stopped=True)
    delete_model(alice, "alice", "driver")
    assert not Model.objects.exists()
    assert list(model_blobs().hashes()) == []


def test_an_archive_that_two_models_hold_outlives_one_of_them(alice, bob, tmp_path):
    push_speed(alice, tmp_path)
    push_speed(bob, tmp_path)
    delete_model(alice, "alice", "driver")
    assert model_blobs().has(find_variant(bob, "bob", "driver").archive_sha256)


def test_deleting_a_model_ends_its_robots_subscriptions(alice, tmp_path):
    push_speed(alice, tmp_path)
    robot = Robot.objects.create(owner=alice, name="lab-1")
    Subscription.objects.create(robot=robot, model=Model.objects.get())
    delete_model(alice, "alice", "driver")
    assert not Subscription.objects.exists()


def test_an_archive_without_a_row_is_swept_away_and_no_other(alice, tmp_path):
    push_speed(alice, tmp_path)
    (tmp_path / "orphan").write_bytes(b"left by a hub that was killed")
    with (tmp_path / "orphan").open("rb") as file:
        orphan = model_blobs().put(file)
    assert sweep() == 1
    assert not model_blobs().has(orphan)
    assert model_blobs().has(Variant.objects.get().archive_sha256)


@pytest.mark.parametrize("name", ["../x", "a/b", "Ärger", "模型", "x.json", "a" * 65, "a b", "-a"])
def test_a_name_that_cannot_stand_in_a_reference_is_refused(alice, tmp_path, name):
    with pytest.raises(InvalidInput, match="name of a model"):
        push_speed(alice, tmp_path, name=name)
    with pytest.raises(InvalidInput, match="name of a variant"):
        push_speed(alice, tmp_path, name="driver", variant=name)
    assert not Model.objects.exists()


def test_a_large_card_and_large_hooks_are_cut_for_the_page_alone(tmp_path, db):
    local = first_person()
    folder = make_folder(tmp_path / "big", card="x" * 100_000)
    (folder / "hooks.py").write_text("# " + "y" * 100_000)
    push_folder(local, folder)
    variant = Variant.objects.get()
    assert "cut here" in variant.card
    assert len(variant.card) < 21_000
    assert len(variant.manifest["hooks_source"]) < 21_000
    assert variant.size_bytes > 200_000
    assert Version.objects.get().digest == read_model_folder(folder).digest
