"""Recordings of episodes: they come as uploads, are seen by who sees the evaluation, and are freed with it."""

import io
import json

import numpy as np
import pytest

from rilaas.core import Conflict, InvalidInput, NotFound, PermissionDenied
from rilaas.hub.actions import recording as actions
from rilaas.hub.actions.evaluation import add_evaluation, delete_evaluation
from rilaas.hub.actions.recording import keep_recording, sweep
from rilaas.hub.actions.registry import delete_model
from rilaas.hub.actions.upload import receive
from rilaas.hub.blob_store import uploads_of
from rilaas.hub.models import Model, Recording
from rilaas.hub.recording_store import recording_blobs
from rilaas.report import Episode, Provenance, Report, summarize
from rilaas.report.playback import read_recording, write_recording
from tests.hub.recording_of import keep, upload
from tests.recordings import recording

pytestmark = pytest.mark.django_db


@pytest.fixture
def lane(alice, bob):
    """Alice's model, shared with Bob."""
    model = Model.objects.create(owner=alice, name="lane", visibility="shared")
    model.collaborators.add(bob)
    return model


@pytest.fixture
def evaluation(alice, lane):
    runs = tuple(Episode("oval", seed, "completed", {"driven_lane_m": 5.0}) for seed in (2, 3))
    metrics = {"driven_lane_m": summarize([5.0, 5.0], "m", "higher")}
    report = Report("evaluation", "measured", metrics, Provenance("0", "", (2, 3), {}, ""), "", runs)
    return add_evaluation(alice, report.to_json().encode(), model="alice/lane").pk


def test_an_episode_with_a_recording_has_the_player_on_its_page(alice, evaluation, browser):
    keep(alice, evaluation, 1, recording())
    client = browser(alice)
    page = client.get(f"/evaluations/{evaluation}/episodes/1").content.decode()
    address = f"/api/v1/evaluations/{evaluation}/episodes/1/recording"
    assert f'data-recording="{address}.json"' in page
    assert "/static/player.js?v=" in page
    assert client.get(f"/evaluations/{evaluation}/episodes/1.json").json()["recording"]["marks"] == 2
    drive = client.get(f"{address}.json").json()
    assert (drive["title"], len(drive["t"]), len(drive["film"]["jpeg"])) == ("oval, seed 3", 41, 21)


def test_an_episode_without_a_recording_is_shown_as_before(alice, evaluation, browser):
    answer = browser(alice).get(f"/evaluations/{evaluation}/episodes/0")
    assert answer.status_code == 200
    assert "player" not in answer.content.decode()
    assert browser(alice).get(f"/evaluations/{evaluation}/episodes/0.json").json()["recording"] is None
    assert browser(alice).get(f"/api/v1/evaluations/{evaluation}/episodes/0/recording.json").status_code == 404


def test_the_file_that_was_sent_comes_back(alice, evaluation, browser):
    keep(alice, evaluation, 1, recording())
    answer = browser(alice).get(f"/api/v1/evaluations/{evaluation}/episodes/1/recording.npz")
    data = b"".join(answer.streaming_content)
    assert data == write_recording(recording())
    assert 'filename="evaluation-' in answer["Content-Disposition"]
    assert np.load(io.BytesIO(data))["poses"].shape == (41, 3)


def test_a_program_sends_a_recording_in_two_requests(alice, evaluation, program):
    data = write_recording(recording())
    client = program(alice, "read", "write")
    sha256, size_bytes = upload(alice, data)
    body = {"sha256": sha256, "size_bytes": size_bytes}
    address = f"/api/v1/evaluations/{evaluation}/episodes/1/recording"
    answer = client.post(address, body, content_type="application/json")
    assert (answer.status_code, answer.json()["marks"]) == (201, 2)
    assert program(alice, "read").post(address, body, content_type="application/json").status_code == 403
    unchanged = client.get(f"{address}.json", headers={"if-none-match": f'"{sha256}"'})
    assert unchanged.status_code == 304
    assert not uploads_of(alice).has(sha256)


def test_a_collaborator_sees_it_and_a_stranger_gets_404(alice, bob, charlie, evaluation, browser):
    keep(alice, evaluation, 1, recording())
    for end in ("json", "npz"):
        address = f"/api/v1/evaluations/{evaluation}/episodes/1/recording.{end}"
        for person in (alice, bob):
            answer = browser(person).get(address)
            assert answer.status_code == 200
            assert b"".join(answer.streaming_content) if answer.streaming else answer.content
        assert browser(charlie).get(address).status_code == 404


def test_only_who_added_the_evaluation_adds_recordings(alice, bob, charlie, evaluation):
    with pytest.raises(PermissionDenied):
        keep(bob, evaluation, 1, recording())
    with pytest.raises(NotFound):
        keep(charlie, evaluation, 1, recording())
    with pytest.raises(NotFound, match="no episode 2"):
        keep(alice, evaluation, 2, recording())
    assert not Recording.objects.exists()


def test_the_recording_of_another_episode_is_refused(alice, evaluation):
    with pytest.raises(InvalidInput, match="the episode is 'oval', seed 2"):
        keep(alice, evaluation, 0, recording(seed=3))
    assert not list(recording_blobs().hashes())
    assert not uploads_of(alice).under_way()


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + 18 * b"\0", b"no zip", write_recording(recording())[:-400]])
def test_what_is_no_recording_is_refused_and_nothing_kept(alice, evaluation, data):
    with pytest.raises(InvalidInput, match="no recording"):
        keep_recording(alice, evaluation, 1, *upload(alice, data))
    assert not Recording.objects.exists()
    assert not list(recording_blobs().hashes())


def test_an_upload_that_is_not_complete_is_a_conflict(alice, evaluation):
    sha256, size_bytes = "a" * 64, 100
    receive(alice, sha256, size_bytes, 0, io.BytesIO(b"some"))
    with pytest.raises(Conflict, match="4 of 100 bytes"):
        keep_recording(alice, evaluation, 1, sha256, size_bytes)


def test_recordings_of_an_evaluation_are_bounded(alice, evaluation, monkeypatch):
    keep(alice, evaluation, 0, recording(seed=2))
    monkeypatch.setattr("rilaas.hub.actions.recording.MAX_TOTAL_BYTES", 1000)
    with pytest.raises(InvalidInput, match="Keep only the worst|at most"):
        keep(alice, evaluation, 1, recording())
    with pytest.raises(InvalidInput, match="64 MiB"):
        keep_recording(alice, evaluation, 1, "a" * 64, 2**30)


def test_a_new_recording_takes_the_place_of_the_old_one(alice, evaluation):
    first = keep(alice, evaluation, 1, recording())
    second = keep(alice, evaluation, 1, recording(count=21))
    assert first.sha256 != second.sha256
    assert list(recording_blobs().hashes()) == [second.sha256]


def test_a_recording_of_an_evaluation_that_is_deleted_meanwhile_is_not_kept(alice, evaluation, monkeypatch):
    def read_slowly(data):
        delete_evaluation(alice, evaluation)
        return read_recording(data)

    monkeypatch.setattr(actions, "read_recording", read_slowly)
    with pytest.raises(NotFound, match="deleted"):
        keep(alice, evaluation, 1, recording())
    assert not Recording.objects.exists()
    assert not list(recording_blobs().hashes())


def test_deleting_an_evaluation_frees_its_recordings(alice, evaluation, django_capture_on_commit_callbacks):
    keep(alice, evaluation, 1, recording())
    with django_capture_on_commit_callbacks(execute=True):
        delete_evaluation(alice, evaluation)
    assert not Recording.objects.exists()
    assert not list(recording_blobs().hashes())


def test_deleting_a_model_frees_the_recordings_of_its_evaluations(
    alice, evaluation, django_capture_on_commit_callbacks
):
    keep(alice, evaluation, 1, recording())
    with django_capture_on_commit_callbacks(execute=True):
        delete_model(alice, "alice", "lane")
    assert not list(recording_blobs().hashes())


def test_the_same_recording_of_two_evaluations_stays_until_both_are_gone(
    alice, evaluation, lane, django_capture_on_commit_callbacks
):
    runs = (Episode("oval", 3, "completed", {}),)
    report = Report("evaluation", "measured", {}, Provenance("0", "", (3,), {}, ""), "", runs)
    other = add_evaluation(alice, report.to_json().encode(), model="alice/lane").pk
    keep(alice, evaluation, 1, recording())
    keep(alice, other, 0, recording())
    with django_capture_on_commit_callbacks(execute=True):
        delete_evaluation(alice, evaluation)
    assert len(list(recording_blobs().hashes())) == 1
    with django_capture_on_commit_callbacks(execute=True):
        delete_evaluation(alice, other)
    assert not list(recording_blobs().hashes())


def test_a_file_that_a_killed_hub_left_is_swept(alice, evaluation):
    kept = keep(alice, evaluation, 1, recording())
    recording_blobs().put(io.BytesIO(b"left"))
    assert sweep() == 1
    assert list(recording_blobs().hashes()) == [kept.sha256]


def test_hostile_words_stay_words(alice, lane, browser):
    evil = "</script><script>alert(1)</script>"
    runs = (Episode(evil, 3, "completed", {}),)
    report = Report("evaluation", "measured", {}, Provenance("0", "", (3,), {}, ""), "", runs)
    pk = add_evaluation(alice, report.to_json().encode()).pk
    keep(alice, pk, 0, recording(evil, words=evil))
    answer = browser(alice).get(f"/api/v1/evaluations/{pk}/episodes/0/recording.json")
    assert answer["Content-Type"] == "application/json"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert evil in json.loads(answer.content)["title"]
    assert evil not in browser(alice).get(f"/evaluations/{pk}/episodes/0").content.decode()


def test_the_list_of_episodes_says_which_can_be_played(alice, evaluation, browser):
    keep(alice, evaluation, 1, recording())
    rows = browser(alice).get(f"/evaluations/{evaluation}.json").json()["episodes"]
    assert {row["index"]: row["is_recorded"] for row in rows} == {0: False, 1: True}
    page = browser(alice).get(f"/evaluations/{evaluation}").content.decode()
    assert page.count("Play its recording") == 1
