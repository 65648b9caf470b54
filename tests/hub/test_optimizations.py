"""Optimizations that the hub does: planned and checked before, done in a box, kept as variants and a report."""

import json

import pytest

from rilaas.core import InvalidInput, MissingDependency, NotFound, PermissionDenied
from rilaas.hub.actions.job import retry_job
from rilaas.hub.actions.optimization import Wish, work_folder
from rilaas.hub.models import AuditEvent, Job, Variant
from rilaas.hub.queries import optimization as queries
from rilaas.report import Report
from tests.hub.model_folder import push_speed
from tests.hub.optimization_parts import DYNAMIC, MODEL, STATIC, fresh, push_dense, quick, recipe, started

pytestmark = pytest.mark.django_db
pytest.importorskip("onnx")
ADDRESS = "/api/v1/models/alice/dense/versions/1/optimizations"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    quick(monkeypatch)


@pytest.fixture
def dense(alice, bob, tmp_path):
    return push_dense(alice, tmp_path)


def test_a_recipe_is_followed_and_its_variant_and_report_are_kept(alice, bob, dense, worker, browser):
    evaluation = started(alice)
    client = browser(alice)
    queued = client.get(f"/evaluations/{evaluation.pk}").content.decode()
    assert "Optimization" in queued
    assert "waiting for the worker" in queued
    assert worker.do_all() == 1
    done = fresh(evaluation)
    assert done.job.state == "done", (done.job.error, done.job.log)
    assert done.job.result == {"address": f"/evaluations/{evaluation.pk}", "text": "1 variant is stored."}
    assert (done.job.done, done.kind, done.verdict) == (100, "optimization", "passed")
    variant = Variant.objects.get(name="mine")
    assert (variant.revision, variant.gate) == ("1@mine", "passed")
    assert variant.record["parent"] == variant.version.digest
    assert [row["name"] for row in variant.record["passes"]] == ["quantize.static"]
    assert variant.record["measured"]["calls"] == 4
    assert done.plan["made"] == {"mine": "1@mine"}
    report = Report.from_json(done.report)
    titles = [figure.title for figure in report.figures]
    assert {"What each variant costs", "Time of the weights", "Agreement of mine with the float model"} <= set(titles)
    page = browser(bob).get(f"/evaluations/{evaluation.pk}").content.decode()
    assert "alice/dense:1@mine" in page
    assert "rilaas optimize dense-1 --recipe recipe.toml --dataset dataset --suite none" in page
    assert "quantize.static" in page  # the recipe's text, to save
    assert f"/evaluations/{evaluation.pk}" in browser(bob).get("/models/alice/dense").content.decode()
    assert browser(bob).get(f"/evaluations/{evaluation.pk}.json").json()["again"]["made"][0]["revision"] == "1@mine"
    assert {"optimization started", "version pushed"} <= set(AuditEvent.objects.values_list("act", flat=True))


def test_a_variant_that_fails_its_gate_is_stored_as_one_and_the_report_says_so(alice, dense, worker, browser):
    evaluation = started(alice, recipe(gate="min_speedup = 1000.0"))
    worker.do_all()
    done = fresh(evaluation)
    assert (done.job.state, done.verdict) == ("done", "failed")
    assert "mine failed the gate" in done.job.result["text"]
    assert Variant.objects.get(name="mine").gate == "failed"
    assert "at least 1000 times is wanted" in browser(alice).get("/models/alice/dense").content.decode()


def test_the_steps_that_were_done_come_from_the_cache_the_next_time(alice, dense, worker):
    started(alice)
    worker.do_all()
    again = started(alice)
    worker.do_all()
    log = fresh(again).job.log
    assert "1 of 1 passes from the cache" in log
    assert fresh(again).plan["made"] == {"mine": "1@mine-2"}  # its figures are others, so it is another content


def test_what_one_person_made_is_not_shared_with_another(alice, bob, dense):
    original = Variant.objects.select_related("version").get(name="")
    assert work_folder(alice.pk, original) != work_folder(bob.pk, original)


def test_several_recipes_are_measured_beside_each_other(alice, dense, worker, monkeypatch):
    texts = {"one": recipe("one"), "two": recipe("two", passes=DYNAMIC)}
    monkeypatch.setattr(queries, "recipe_names", lambda: tuple(texts))
    monkeypatch.setattr(queries, "read_recipe", lambda name: queries._read_text(texts[name]))
    with pytest.raises(InvalidInput, match="One name is for one recipe"):
        Wish(recipes=("one", "two"), name="x")
    evaluation = started(alice, texts["two"].replace("two", "three"), name="")
    worker.do_all()
    assert fresh(evaluation).plan["made"] == {"three": "1@three"}


def test_a_cancelled_job_ends_soon_and_keeps_its_steps(alice, dense, worker, browser):
    evaluation = started(alice)
    client = browser(alice)

    def cancel(work):
        if work.attempt == 1 and "Measuring" in work.log:  # the recipe was followed
            client.post(f"/evaluations/{evaluation.pk}", {"act": "cancel"})

    worker.between = cancel
    worker.do_all()
    done = fresh(evaluation)
    assert (done.job.state, done.verdict) == ("cancelled", "")
    assert not Variant.objects.exclude(name="").exists()
    assert "the steps that were done are kept" in client.get(f"/evaluations/{evaluation.pk}").content.decode()
    retry_job(alice, done.job_id)
    worker.do_all()
    assert fresh(evaluation).job.state == "done"
    assert "1 of 1 passes from the cache" in fresh(evaluation).job.log


def test_a_data_set_or_model_that_is_gone_ends_the_job_and_nothing_is_stored(alice, bob, dense, worker):
    from rilaas.hub.actions.sharing import unshare

    with pytest.raises(NotFound, match="no dataset alice/rows"):
        started(bob)  # whose it is not
    share_data(alice, "bob")
    evaluation = started(bob)
    unshare(alice, "dataset", "alice", "rows", "bob")
    worker.do_all()
    done = fresh(evaluation)
    assert (done.job.state, done.job.error["code"]) == ("failed", "not_found")
    assert not Variant.objects.exclude(name="").exists()


def share_data(alice, whom):
    from rilaas.hub.actions.sharing import share

    share(alice, "dataset", "alice", "rows", whom)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"toml": ""}, "0 recipes were chosen"),
        ({"toml": "", "recipes": ("nonsense",)}, "no recipe 'nonsense'"),
        ({"toml": "", "recipes": ("/etc/passwd",)}, "no recipe '/etc/passwd'"),
        ({"recipes": ("a", "b", "c", "d")}, "5 recipes were chosen"),
        ({"toml": "name = 3"}, "recipe"),
        ({"toml": recipe(passes='[[pass]]\nname = "quantize.magic"')}, "no pass 'quantize.magic'"),
        ({"toml": recipe(passes=f"{STATIC}\n" * 21)}, "21 passes; at most 20 are followed"),
        ({"toml": recipe(gate="max_sadness = 1")}, "no limit 'max_sadness'"),
        ({"toml": recipe().replace("onnxruntime/int8", "abacus/int8")}, "no runtime 'abacus'"),
        ({"toml": "x = " + "[" * 5000}, "recipe"),
        ({"name": "Not A Name"}, "cannot be the name of a variant"),
        ({"episodes": 0}, "episodes"),
        ({"frames": 3}, "frames"),
        ({"dataset": None}, "There is nothing to learn from. Only driving models"),
    ],
    ids=lambda each: str(each)[:30].replace("\n", " ") if isinstance(each, str) else "",
)
def test_what_cannot_be_optimized_is_told_before_anything_is_queued(alice, dense, said, told):
    with pytest.raises((InvalidInput, NotFound), match=told):
        started(alice, said.pop("toml", None), **said)
    assert not Job.objects.exists()


def test_variants_and_models_of_python_alone_are_refused(alice, dense, worker, tmp_path):
    from rilaas.hub.actions.optimization import start_optimization

    started(alice)
    worker.do_all()
    wish = Wish(recipe_toml=recipe(), dataset=("alice", "rows", 1))
    with pytest.raises(InvalidInput, match="only originals are optimized"):
        start_optimization(alice, MODEL, "1@mine", wish)
    push_speed(alice, tmp_path)
    with pytest.raises(InvalidInput, match="it is Python alone"):
        start_optimization(alice, ("alice", "driver"), "1", wish)


def test_the_cast_owner_and_collaborator_optimize_and_a_stranger_does_not(
    alice, bob, charlie, dense, browser, program
):
    share_data(alice, "bob")
    form = {"act": "start", "revision": "1", "recipe_toml": recipe(), "dataset": "alice/rows:1"}
    assert browser(bob).post("/models/alice/dense/optimize", form).status_code == 303
    assert browser(charlie).get("/models/alice/dense/optimize").status_code == 404
    assert browser(charlie).post("/models/alice/dense/optimize", form).status_code == 404
    body = {"recipe_toml": recipe(), "dataset": "alice/rows:1"}
    answer = program(alice, "write").post(ADDRESS, body, content_type="application/json")
    assert answer.status_code == 202, answer.content
    assert program(alice, "read").post(ADDRESS, body, content_type="application/json").status_code == 403
    assert program(charlie, "write").post(ADDRESS, body, content_type="application/json").status_code == 404
    assert browser(charlie).get(f"/evaluations/{answer.json()['id']}").status_code == 404
    from rilaas.hub.actions.sharing import set_visibility

    set_visibility(alice, "model", *MODEL, "public")
    assert browser(charlie).get("/models/alice/dense/optimize").status_code == 403
    with pytest.raises(PermissionDenied):
        started(charlie)


def test_the_form_keeps_what_was_typed_and_says_what_is_wrong(alice, dense, browser):
    form = {"act": "start", "revision": "1", "recipe_toml": "name = 'half'", "dataset": "alice/rows:1"}
    page = browser(alice).post("/models/alice/dense/optimize", form)
    assert page.status_code == 400
    assert "name = &#x27;half&#x27;" in page.content.decode()
    twin = browser(alice).get("/models/alice/dense/optimize.json").json()
    assert "balanced" in [row["name"] for row in twin["presets"]]
    assert twin["datasets"]["fit"] == ["alice/rows:1"]
    assert "Only driving models are recorded" in browser(alice).get("/models/alice/dense/optimize").content.decode()


def test_what_is_not_installed_is_told_with_what_to_install(alice, dense, browser, monkeypatch, program):
    find = queries.find_spec
    monkeypatch.setattr(queries, "find_spec", lambda name: None if name == "onnx" else find(name))
    page = browser(alice).get("/models/alice/dense/optimize").content.decode()
    assert "onnx is not installed" in page
    assert "pip install &#x27;rilaas[optimize,openvino]&#x27;" in page or "rilaas[optimize,openvino]" in page
    with pytest.raises(MissingDependency, match="onnx"):
        started(alice)
    monkeypatch.setattr(queries, "find_spec", lambda name: None if name == "torch" else find(name))
    training = recipe(precision="fp32", passes='[[pass]]\nname = "finetune"')
    with pytest.raises(MissingDependency, match="torch is not installed"):
        started(alice, training)


def test_presets_are_listed_over_rest(alice, program):
    rows = program(alice, "read").get("/api/v1/presets").json()
    assert {"fast", "balanced"} <= {row["name"] for row in rows}
    assert json.dumps(rows)
