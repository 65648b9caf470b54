"""Evaluations that the hub is to drive: who may start one, and what is told before anything is queued."""

import pytest

from rilaas.core import Conflict, InvalidInput, MissingDependency, NotFound, PermissionDenied, SignatureMismatch
from rilaas.hub.actions.evaluation import delete_evaluation
from rilaas.hub.actions.evaluation_run import Course, start_evaluation
from rilaas.hub.actions.job import cancel_job
from rilaas.hub.actions.sharing import set_visibility, unshare
from rilaas.hub.models import Evaluation, Job
from rilaas.hub.queries import suite as suites
from tests.hub.drive_parts import MODEL, SUITE, fresh, started
from tests.hub.run_parts import make_affine

pytestmark = pytest.mark.django_db


def test_an_evaluation_needs_a_model_that_one_may_change(alice, bob, charlie, seeing, browser, program):
    assert started(bob).owner == bob
    with pytest.raises(NotFound):
        started(charlie)
    api = "/api/v1/models/alice/seeing/versions/1/evaluations"
    body = {"suite_toml": SUITE}
    assert program(charlie, "write").post(api, body, content_type="application/json").status_code == 404
    assert browser(charlie).get("/models/alice/seeing/evaluate").status_code == 404
    set_visibility(alice, "model", *MODEL, "public")
    with pytest.raises(PermissionDenied):
        started(charlie)
    assert program(charlie, "write").post(api, body, content_type="application/json").status_code == 403
    assert browser(charlie).get("/models/alice/seeing/evaluate").status_code == 403
    assert "/evaluate" not in browser(charlie).get("/models/alice/seeing").content.decode()
    assert program(alice, "read").post(api, body, content_type="application/json").status_code == 403
    mine = browser(charlie).post(f"/evaluations/{Evaluation.objects.get().pk}", {"act": "cancel"})
    assert mine.status_code == 404  # it is Bob's job


def test_an_evaluation_under_way_is_not_deleted_and_one_whose_model_is_not_shared_any_more_fails(
    alice, bob, seeing, worker
):
    evaluation = started(bob)
    with pytest.raises(Conflict, match="queued"):
        delete_evaluation(bob, evaluation.pk)
    unshare(alice, "model", *MODEL, "bob")
    worker.do_all()
    assert "not shared any more" in fresh(evaluation).job.error["message"]
    delete_evaluation(bob, evaluation.pk)
    assert not Evaluation.objects.exists()


def test_a_collaborator_sees_how_far_it_is_but_not_the_log(alice, bob, seeing, browser):
    evaluation = started(alice)
    shown = browser(bob).get(f"/evaluations/{evaluation.pk}.json").json()
    assert (shown["state"], shown["job_id"], shown["can_cancel"]) == ("queued", None, False)
    cancel_job(alice, evaluation.job_id)
    assert browser(bob).get(f"/evaluations/{evaluation.pk}.json").json()["state"] == "cancelled"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name = ", "The suite: suite.toml is not valid TOML"),
        ("x = " + "[" * 5000, "nested too deeply"),
        ("x = " + "9" * 5000, "a number in it is too large"),
        (SUITE.replace("[world]", "[spawn]\nlateral_tolerance_m = 1e308\n[world]"), "is a length from 0 to"),
        (SUITE.replace("oval", "ovel"), "There is no map 'ovel' on the hub. Did you mean 'oval'?"),
        (SUITE.replace("oval", "../../../etc/map.yaml"), "There is no map '../../../etc/map.yaml' on the hub."),
        (
            SUITE.replace("duration_s", "duratoin_s"),
            "[world]: there is no key 'duratoin_s'. Did you mean 'duration_s'",
        ),
        (SUITE.replace("[1, 2]", f"{list(range(500))}"), "at most 200"),
        (SUITE.replace("1.0", "86_000.0"), "time steps"),
        (SUITE.replace("1.0", "6000.0").replace("[1, 2]", "[1]"), "an episode of 120,000 time steps"),
        (SUITE.replace('"short"', r'"a\u0000b"'), "printable"),
        (SUITE.replace("[1, 2]", f"[{2**63}]"), "63 bits"),
        (SUITE.replace("[world]", "[spawn]\nlateral_tolerance_m = 1e6\n[world]"), "start poses"),
        (SUITE + "#" * 70_000, "at most 65,536 are taken"),
    ],
)
def test_a_suite_that_cannot_be_driven_is_told_before_anything_is_queued(alice, seeing, text, told, browser):
    with pytest.raises(InvalidInput) as caught:
        start_evaluation(alice, MODEL, "", Course(suite_toml=text))
    assert told in str(caught.value)
    assert "/tmp" not in f"{caught.value} {caught.value.hint}"
    answer = browser(alice).post("/models/alice/seeing/evaluate", {"act": "start", "suite_toml": text})
    assert answer.status_code == 400
    assert not Job.objects.exists()


def test_a_course_says_one_suite_and_seconds_only_for_a_fixed_latency():
    for wrong in (
        {},
        {"suite": "lf", "suite_toml": SUITE},
        {"suite": "lf", "latency": "drawn:/etc/passwd"},
        {"suite": "lf", "latency": "fixed"},
        {"suite": "lf", "latency_s": 0.1},
        {"suite": "lf", "latency": "fixed", "latency_s": float("nan")},
        {"suite": "lf", "episodes": 0},
    ):
        with pytest.raises(InvalidInput):
            Course(**wrong)


def test_a_suite_of_ours_that_does_not_exist_is_told_and_a_path_is_none(alice, seeing):
    for name in ("lff", "/etc/suite.toml", "../lf"):
        with pytest.raises(NotFound, match="There is no suite"):
            start_evaluation(alice, MODEL, "", Course(suite=name))


def test_a_model_that_does_not_drive_is_told_before_anything_is_queued(alice, tmp_path):
    make_affine(alice, tmp_path / "model")
    with pytest.raises(SignatureMismatch, match="driving policy takes"):
        started(alice, ("alice", "affine"))


def test_where_the_tile_world_is_not_installed_the_page_says_so(alice, seeing, browser, monkeypatch):
    monkeypatch.setattr(suites, "find_spec", lambda name: None if name == "cv2" else object())
    with pytest.raises(MissingDependency, match="cv2"):
        started(alice)
    page = browser(alice).get("/models/alice/seeing/evaluate")
    assert page.status_code == 200
    assert "the tile world needs the package <code>cv2</code>" in page.content.decode()


def test_the_form_starts_an_evaluation_and_keeps_what_was_typed_where_it_is_wrong(alice, seeing, browser):
    client = browser(alice)
    page = client.get("/models/alice/seeing/evaluate").content.decode()
    assert 'value="lf" checked' in page
    form = {"act": "start", "revision": "1", "suite": "quick-look", "latency": "fixed", "latency_s": "soon"}
    refused = client.post("/models/alice/seeing/evaluate", form)
    assert refused.status_code == 400
    assert "Write a number such as 0.08." in refused.content.decode()
    assert 'value="quick-look" checked' in refused.content.decode()
    answer = client.post("/models/alice/seeing/evaluate", {**form, "latency_s": "0.1", "episodes": "2"})
    assert answer.status_code == 303
    evaluation = Evaluation.objects.get()
    assert answer["Location"] == f"/evaluations/{evaluation.pk}"
    assert evaluation.plan == {
        "suite": "quick-look",
        "suite_toml": "",
        "episodes": 2,
        "latency": "fixed:0.1",
        "count": 2,
    }
    assert evaluation.job.total == 30
